package roster

import (
	"context"
	"net/http"
	"slices"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/web"
)

// Board says how far a roster or a channel is looked after, hour by hour.
type Board struct {
	Reach
	Rosters []Roster // that look after it; one, where it is a roster
	First   Date     // heat and week begin
	Heat    Heat
	Staff   Week
}

// Boards are those of all rosters, then of the channels, as [Room.Reaches] lists
// them; the hours are those of the next weeks.
func (r *Room) Boards(ctx context.Context, year int) ([]Board, error) {
	if year < minYear || year > maxYear {
		return nil, fault.New(fault.Invalid, "roster.bad_year").Field("year", "roster.bad_year")
	}
	reaches, err := r.Reaches(ctx, year)
	if err != nil {
		return nil, err
	}
	all, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := r.rules(ctx, "")
	if err != nil {
		return nil, err
	}
	first := DateIn(r.o.Clock.Now(), rules.Zone)
	from, to := At(first, 0, rules.Zone), At(first.Add(heatWeeks*7), 0, rules.Zone)
	near := make([]seen, len(all))
	for i, ro := range all {
		if near[i], err = r.look(ctx, ro, from, to); err != nil {
			return nil, err
		}
	}
	out := make([]Board, len(reaches))
	for i, reach := range reaches {
		b := Board{Reach: reach, First: first}
		var staffed []Stretch
		var levels [][]Level
		for _, v := range near {
			if reach.Slug == v.Slug || reach.Slug == "" && slices.Contains(v.Channels, reach.Name) {
				b.Rosters = append(b.Rosters, v.Roster)
				staffed, levels = append(staffed, v.staffed()...), append(levels, v.levels())
			}
		}
		b.Heat, b.Staff = heat(union(staffed), first, rules.Zone), week(together(levels), first, rules.Zone)
		out[i] = b
	}
	return out, nil
}

func (r *Room) pageChannels(w http.ResponseWriter, req *http.Request) error {
	year := r.o.Clock.Now().Year()
	all, err := r.Boards(req.Context(), year)
	if err != nil {
		return err
	}
	rules, err := r.rules(req.Context(), "")
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(b Board) bool { return b.Slug != "" })
	return web.Render(w, req, channelsPage(all, DateIn(r.o.Clock.Now(), rules.Zone), year))
}

// dutyReachBody is a [Board], for programs.
type dutyReachBody struct {
	Name    string  `json:"name"`
	Roster  string  `json:"roster,omitempty" doc:"Slug of the roster; empty: a channel"`
	Always  bool    `json:"always_reachable" doc:"Somebody is on duty around the clock, all year"`
	Staffed float64 `json:"staffed_percent" doc:"Of the year, with somebody on duty"`
	Planned float64 `json:"planned_percent" doc:"Of the year, by the hours of the rosters"`
	Heat    [][]int `json:"heat" doc:"Per weekday from Monday and hour of the clock: percent of the next four weeks in which enough people are on duty"`
	Need    [][]int `json:"need" doc:"Soll: how many people should be on duty at once"`
	Have    [][]int `json:"have" doc:"Ist: how many are, where most are missing"`
}

func (h Heat) rows() [][]int {
	out := make([][]int, len(h))
	for i := range h {
		out[i] = slices.Clone(h[i][:])
	}
	return out
}

func (w Week) rows(of func(Staffing) int) [][]int {
	out := make([][]int, len(w))
	for i := range w {
		out[i] = each(w[i][:], of)
	}
	return out
}

func (r *Room) apiBoards(ctx context.Context, in *struct {
	Year int `query:"year" doc:"Left out: the present one"`
},
) (*web.List[dutyReachBody], error) {
	all, err := r.Boards(ctx, r.year(in.Year))
	if err != nil {
		return nil, err
	}
	return web.NewList(each(all, func(b Board) dutyReachBody {
		return dutyReachBody{
			b.Name, b.Slug, b.Always(), b.Staffed.Percent, b.Figure.Percent, b.Heat.rows(),
			b.Staff.rows(func(s Staffing) int { return s.Need }), b.Staff.rows(func(s Staffing) int { return s.Have }),
		}
	}), ""), nil
}

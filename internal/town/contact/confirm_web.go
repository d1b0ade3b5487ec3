package contact

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
)

// WaysPath is the page of confirmations.
const WaysPath = Path + "/ways"

type waysView struct {
	Ways  []Way
	Round Round
}

func (r *Room) pageWays(w http.ResponseWriter, req *http.Request) error {
	ways, round, err := r.Ways(req.Context())
	if err != nil {
		return err
	}
	return web.Render(w, req, waysPage(waysView{ways, round}))
}

func (r *Room) getWays(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	ways, _, err := r.Ways(ctx)
	if err != nil {
		return err
	}
	var head []string
	for _, c := range []string{"person", "way", "address", "state", "asked", "reminded", "confirmed"} {
		head = append(head, i18n.T(ctx, "contact.col_"+c))
	}
	zone := i18n.Of(ctx).Zone
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(zone).Format("2006-01-02 15:04")
	}
	rows := make([][]string, len(ways))
	for i, x := range ways {
		rows[i] = []string{
			x.Person.Name, i18n.T(ctx, "channel.kind_"+string(x.Kind)), x.Address, i18n.T(ctx, "contact.standing_"+string(x.State)),
			day(x.AskedAt), strconv.Itoa(x.Reminded), day(x.ConfirmedAt),
		}
	}
	return web.CSV(w, "kontaktwege.csv", head, rows)
}

func (r *Room) postAsk(w http.ResponseWriter, req *http.Request) error {
	if _, err := r.Ask(req.Context()); err != nil {
		return err
	}
	return web.SeeOther(w, req, WaysPath)
}

func (r *Room) pageQuestion(w http.ResponseWriter, req *http.Request) error {
	q, err := r.Question(req.Context(), req.PathValue("token"))
	if err != nil {
		return err
	}
	return web.Render(w, req, questionPage(q))
}

func (r *Room) postQuestion(w http.ResponseWriter, req *http.Request) error {
	q, err := r.Confirm(req.Context(), req.PathValue("token"))
	if err != nil {
		return err
	}
	return web.Render(w, req, questionPage(q))
}

func waysSay(ctx context.Context, v waysView) string {
	var yes, red int
	for _, w := range v.Ways {
		switch w.State {
		case Confirmed:
			yes++
		case Silent:
			red++
		case Asked, NotAsked:
		}
	}
	return i18n.T(ctx, "contact.ways_say", i18n.Number(ctx, yes), i18n.Number(ctx, len(v.Ways)), i18n.Number(ctx, red))
}

// Mark is the shape of a standing.
func (s Standing) Mark() web.State {
	switch s {
	case Silent:
		return web.Down
	case Confirmed:
		return web.OK
	case Asked:
		return web.Pending
	case NotAsked:
	}
	return web.Degraded
}

type confirmationBody struct {
	Person      string       `json:"person" doc:"Official mail address"`
	Name        string       `json:"name"`
	Kind        channel.Kind `json:"kind"`
	Address     string       `json:"address"`
	State       Standing     `json:"state" enum:"silent,not_asked,asked,confirmed" doc:"silent is red: asked, reminded and not confirmed"`
	Reminded    int          `json:"reminded"`
	AskedAt     *time.Time   `json:"asked_at,omitempty"`
	ConfirmedAt *time.Time   `json:"confirmed_at,omitempty"`
}

type confirmationRoundBody struct {
	ID        string    `json:"id"`
	StartedAt time.Time `json:"started_at"`
}

func (r *Room) apiWays(ctx context.Context, in *web.Paging) (*web.List[confirmationBody], error) {
	ways, _, err := r.Ways(ctx)
	if err != nil {
		return nil, err
	}
	from, _ := strconv.Atoi(in.After)
	from = min(max(from, 0), len(ways))
	until := min(from+in.Limit, len(ways))
	var out []confirmationBody
	for _, w := range ways[from:until] {
		b := confirmationBody{Person: w.Person.Email, Name: w.Person.Name, Kind: w.Kind, Address: w.Address, State: w.State, Reminded: w.Reminded}
		if !w.AskedAt.IsZero() {
			b.AskedAt = &w.AskedAt
		}
		if !w.ConfirmedAt.IsZero() {
			b.ConfirmedAt = &w.ConfirmedAt
		}
		out = append(out, b)
	}
	next := ""
	if until < len(ways) {
		next = strconv.Itoa(until)
	}
	return web.NewList(out, next), nil
}

func (r *Room) apiAsk(ctx context.Context, _ *struct{}) (*web.One[confirmationRoundBody], error) {
	round, err := r.Ask(ctx)
	if err != nil {
		return nil, err
	}
	return &web.One[confirmationRoundBody]{Body: confirmationRoundBody{round.ID, round.StartedAt}}, nil
}

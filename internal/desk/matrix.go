package desk

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/plan"
)

// matrixCell is what stands ready for an audience in a scenario.
type matrixCell struct {
	plan.Cell
	Audience plan.Audience
	Decided  bool
	Ready    bool // a text is prepared, or they deliberately hear nothing
}

// matrixRow is one scenario.
type matrixRow struct {
	Scenario plan.Named
	Cells    []matrixCell
}

func (m matrixRow) decided() bool {
	return len(m.Cells) > 0 && !slices.ContainsFunc(m.Cells, func(c matrixCell) bool { return !c.Decided })
}

// matrixView is the scenario matrix, on its own or for an incident.
type matrixView struct {
	Rows      []matrixRow
	Audiences []plan.Audience
	Incident  *incident.Incident
	May       bool
}

func (d *Desk) matrix(ctx context.Context) (v matrixView, err error) {
	library, err := d.o.Publish.Library(ctx)
	if err != nil {
		return v, err
	}
	doc, _, err := d.o.Plan.Document(ctx)
	if err != nil {
		return v, err
	}
	if v.Audiences, err = d.o.Plan.Audiences(ctx); err != nil {
		return v, err
	}
	for _, s := range scenarios(ctx, library) {
		row := matrixRow{Scenario: s}
		for _, a := range v.Audiences {
			c, ok := cellOf(doc, s.Slug, a.Slug)
			row.Cells = append(row.Cells, matrixCell{c, a, ok, prepared(library, c, a.Kind)})
		}
		v.Rows = append(v.Rows, row)
	}
	v.May = plan.MayChange(ctx)
	return v, nil
}

// cellOf is what goes first for a scenario and an audience. Where nobody has
// decided, a hazard begins with its warning: "we are checking" helps nobody who has
// to leave the house, and no short message is prepared for it.
func cellOf(doc plan.Document, scenario, audience string) (plan.Cell, bool) {
	c, decided := doc.Cell(scenario, audience)
	if _, hazard := template.Hazard(template.Scenario(scenario), false); hazard && !decided {
		c.Kind = string(template.First)
	}
	return c, decided
}

func (d *Desk) pageMatrix(w http.ResponseWriter, r *http.Request) error {
	v, err := d.matrix(r.Context())
	if err != nil {
		return err
	}
	if id := r.URL.Query().Get("incident"); id != "" {
		i, err := d.o.Incident.Get(r.Context(), incident.ID(id))
		if err != nil {
			return err
		}
		v.Incident = &i
	}
	return web.Render(w, r, matrixPage(v))
}

// scenarioView is one row of the matrix in its form.
type scenarioView struct {
	Row  matrixRow
	Form *web.Form
	May  bool
}

func (d *Desk) scenario(ctx context.Context, slug string) (matrixRow, error) {
	v, err := d.matrix(ctx)
	if err != nil {
		return matrixRow{}, err
	}
	i := slices.IndexFunc(v.Rows, func(m matrixRow) bool { return m.Scenario.Slug == slug })
	if i < 0 {
		return matrixRow{}, fault.New(fault.NotFound, "desk.no_scenario")
	}
	return v.Rows[i], nil
}

func (d *Desk) pageScenario(w http.ResponseWriter, r *http.Request) error {
	row, err := d.scenario(r.Context(), r.PathValue("scenario"))
	if err != nil {
		return err
	}
	_, s, err := d.o.Plan.Document(r.Context())
	if err != nil {
		return err
	}
	f := web.NewForm(map[string]string{"version": strconv.Itoa(s.Number)})
	for _, c := range row.Cells {
		f.Values.Set("kind."+c.Audience.Slug, c.Kind)
		f.Values.Set("note."+c.Audience.Slug, c.Note)
	}
	return web.Render(w, r, scenarioPage(scenarioView{row, f, plan.MayChange(r.Context())}))
}

func (d *Desk) postScenario(w http.ResponseWriter, r *http.Request) error {
	if !plan.MayChange(r.Context()) {
		return fault.New(fault.Forbidden, "plan.forbidden")
	}
	row, err := d.scenario(r.Context(), r.PathValue("scenario"))
	if err != nil {
		return err
	}
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	_, err = d.o.Plan.Edit(r.Context(), plan.Matrix, plan.Base(f), func(doc *plan.Document) error {
		doc.Matrix = slices.DeleteFunc(doc.Matrix, func(c plan.Cell) bool { return c.Scenario == row.Scenario.Slug })
		for _, c := range row.Cells {
			doc.Matrix = append(doc.Matrix, plan.Cell{
				Scenario: row.Scenario.Slug, Audience: c.Audience.Slug, Kind: f.Get("kind." + c.Audience.Slug), Note: f.Get("note." + c.Audience.Slug),
			})
		}
		return nil
	})
	if f.Take(err) {
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, scenarioPage(scenarioView{row, f, true}))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, "/kit/matrix")
}

func (d *Desk) postPrepare(w http.ResponseWriter, r *http.Request) error {
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	s, err := d.prepare(r.Context(), incident.ID(f.Get("incident")), r.PathValue("scenario"))
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, "/publish/"+string(s.ID)+"/edit")
}

// prepare puts the prepared statements of a scenario into drafts about an
// incident, one for each kind with which the matrix begins, and answers the one
// that goes to the public first. What is being written already is not written
// again.
func (d *Desk) prepare(ctx context.Context, id incident.ID, scenario string) (publish.Statement, error) {
	if !ident.ActorOf(ctx).Has("it", "publisher", "approver", "admin") {
		return publish.Statement{}, fault.New(fault.Forbidden, "publish.forbidden")
	}
	row, err := d.scenario(ctx, scenario)
	if err != nil {
		return publish.Statement{}, err
	}
	in, err := d.o.Incident.Get(ctx, id)
	if err != nil {
		return publish.Statement{}, err
	}
	groups := map[string][]string{}
	for _, c := range row.Cells {
		if c.Kind == plan.NotTold || !c.Ready || (in.Private && c.Audience.Kind.Public()) {
			continue
		}
		groups[c.Kind] = append(groups[c.Kind], c.Audience.Slug)
	}
	if len(groups) == 0 {
		return publish.Statement{}, fault.New(fault.Conflict, "desk.nothing_prepared")
	}
	var first publish.Statement
	err = d.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		first = publish.Statement{}
		drafts, err := d.o.Publish.List(ctx, publish.Filter{Incident: id, States: []publish.State{publish.StateDraft}, Limit: 200})
		if err != nil {
			return err
		}
		for _, kind := range plan.CellKinds() {
			if len(groups[kind]) == 0 {
				continue
			}
			i := slices.IndexFunc(drafts, func(s publish.Statement) bool {
				return s.Kind == template.Kind(kind) && s.Scenario == template.Scenario(scenario)
			})
			var s publish.Statement
			if i >= 0 {
				s = drafts[i]
			} else if s, err = d.draft(ctx, id, template.Kind(kind), scenario, groups[kind]); err != nil {
				return err
			}
			if first.ID == "" {
				first = s
			}
		}
		return nil
	})
	return first, err
}

// draft writes one prepared statement with everything that is known filled in.
func (d *Desk) draft(ctx context.Context, id incident.ID, kind template.Kind, scenario string, audiences []string) (publish.Statement, error) {
	c, err := d.o.Publish.Prefill(ctx, id, kind)
	if err != nil {
		return publish.Statement{}, err
	}
	c.Kind, c.Scenario, c.Audiences, c.Languages = kind, template.Scenario(scenario), audiences, nil
	return d.o.Publish.Create(ctx, id, c)
}

package desk

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/plan"
)

type missingBody struct {
	Tool  string `json:"tool"`
	Text  string `json:"text"`
	Href  string `json:"href" doc:"Page of the console where it is mended"`
	Grave bool   `json:"grave"`
}

type kitToolBody struct {
	Tool  string `json:"tool"`
	Name  string `json:"name"`
	State string `json:"state" enum:"ready,partly,missing"`
	Done  int    `json:"done"`
	All   int    `json:"all"`
}

type completeness struct {
	Percent int           `json:"percent"`
	Tools   []kitToolBody `json:"tools"`
	Missing []missingBody `json:"missing"`
}

type wayBody struct {
	Way     string     `json:"way"`
	Name    string     `json:"name"`
	Machine bool       `json:"machine" doc:"Tried by the machine; others a person tries and tells"`
	LastAt  *time.Time `json:"last_at,omitempty"`
	LastOK  *time.Time `json:"last_ok_at,omitempty"`
	OK      bool       `json:"ok"`
	Detail  string     `json:"detail,omitempty"`
}

type testWayInput struct {
	Body struct {
		Way    string `json:"way"`
		Result string `json:"result,omitempty" doc:"ok or failed, for ways that a person tries"`
		Note   string `json:"note,omitempty"`
	}
}

type matrixBody struct {
	Scenario string     `json:"scenario"`
	Name     string     `json:"name"`
	Decided  bool       `json:"decided"`
	Cells    []cellBody `json:"cells"`
}

type cellBody struct {
	Audience string `json:"audience"`
	Kind     string `json:"kind"`
	Note     string `json:"note,omitempty"`
	Prepared bool   `json:"prepared"`
}

type prepareInput struct {
	ID   string `path:"id"`
	Body struct {
		Scenario string `json:"scenario"`
	}
}

type preparedBody struct {
	Statement string `json:"statement" doc:"Id of the draft"`
	Kind      string `json:"kind"`
}

// file is a PDF.
type file struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type switchboard struct {
	AsOf     time.Time     `json:"as_of"`
	Readings []readingBody `json:"readings"`
	Silent   int           `json:"silent" doc:"Disruptions about which nothing is published yet"`
	Instead  []insteadBody `json:"instead"`
	NotSay   []string      `json:"not_say"`
}

type readingBody struct {
	Text string     `json:"text"`
	AsOf time.Time  `json:"as_of"`
	Next *time.Time `json:"next,omitempty"`
	Late bool       `json:"late"`
}

type insteadBody struct {
	Service  string `json:"service"`
	Text     string `json:"text"`
	Hours    string `json:"hours,omitempty"`
	Deadline string `json:"deadline,omitempty"`
}

type briefBody struct {
	Title    string      `json:"title"`
	AsOf     time.Time   `json:"as_of"`
	Facts    []briefFact `json:"facts"`
	Sections []string    `json:"sections" doc:"Headings, in order; the words stand in the PDF and on the page"`
}

type briefFact struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// idPath names an incident or a person.
type idPath struct {
	ID string `path:"id"`
}

// API hangs what several rooms know together into /api/v1.
func (d *Desk) API(a *web.API) {
	op := func(id, method, path, summary, tag string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{tag}, DefaultStatus: status}
	}
	d.setupAPI(a)
	d.reachAPI(a)
	d.deviceAPI(a)
	web.Operation(a, op("get-plan-completeness", http.MethodGet, "/plan/completeness", "Say how complete the plan is and what is missing", "plan", 200), "people", d.apiComplete)
	web.Operation(a, op("list-plan-ways", http.MethodGet, "/plan/ways", "List the ways out with their last test", "plan", 200), "people", d.apiWays)
	web.Operation(a, op("test-plan-way", http.MethodPost, "/plan/ways/test", "Try a way out and keep how it went", "plan", 200), "people", d.apiTestWay)
	web.Operation(a, op("list-plan-matrix", http.MethodGet, "/plan/matrix", "List the scenarios with what is prepared", "plan", 200), "people", d.apiMatrix)
	web.Operation(a, op("get-plan-folder", http.MethodGet, "/plan/folder", "The emergency folder as PDF", "plan", 200), "people", d.apiFile(d.folder))
	web.Operation(a, op("get-plan-car", http.MethodGet, "/plan/car", "The sheet for the mayor's car as PDF", "plan", 200), "people", d.apiFile(d.car))
	web.Operation(a, op("get-plan-handover", http.MethodGet, "/plan/handover/{id}", "A person's handover sheet as PDF", "plan", 200), "people", d.apiFileOf(d.handover))
	web.Operation(a, op("get-switchboard", http.MethodGet, "/switchboard", "What is said on the telephone now", "plan", 200), "statements", d.apiSwitchboard)
	web.Operation(a, op("prepare-statement", http.MethodPost, "/incidents/{id}/prepared", "Put the prepared statement of a scenario into a draft", "statements", 200), "statements", d.apiPrepare)
	web.Operation(a, op("get-diagnosis", http.MethodGet, "/diagnosis", "The diagnosis bundle without personal data, as ZIP", "operations", 200), "people", d.apiDiagnosis)
	web.Operation(a, op("get-brief", http.MethodGet, "/incidents/{id}/brief", "The situation on one page", "incidents", 200), "incidents", d.apiBrief)
	web.Operation(a, op("get-month", http.MethodGet, "/plan/months/{id}", "What the leadership is told of a month", "plan", 200), "people", d.apiMonth)
	web.Operation(a, op("get-month-file", http.MethodGet, "/plan/months/{id}/file", "The month on one page as PDF", "plan", 200), "people", d.apiMonthFile)
	web.Operation(a, op("get-brief-file", http.MethodGet, "/incidents/{id}/brief/file", "The situation on one page as PDF", "incidents", 200), "incidents", d.apiFileOf(d.brief))
}

func (d *Desk) apiComplete(ctx context.Context, _ *struct{}) (*web.One[completeness], error) {
	k, err := d.kit(ctx)
	if err != nil {
		return nil, err
	}
	out := completeness{Percent: k.Assessment.Percent, Missing: []missingBody{}}
	for _, t := range k.Assessment.Tools {
		out.Tools = append(out.Tools, kitToolBody{string(t.Tool), i18n.T(ctx, "plan.tool_"+string(t.Tool)), string(t.State), t.Done, t.All})
	}
	for _, f := range k.Assessment.Missing() {
		out.Missing = append(out.Missing, missingBody{string(f.Tool), i18n.T(ctx, f.Key, f.Args...), f.Href, f.Grave})
	}
	return &web.One[completeness]{Body: out}, nil
}

func wayOf(w wayRow) wayBody {
	b := wayBody{Way: w.Way, Name: w.Name, Machine: w.Machine, OK: w.Tested.Last.OK, Detail: w.Tested.Last.Detail}
	if w.Tested.Last.ID != "" {
		b.LastAt = &w.Tested.Last.At
	}
	if w.Tested.LastOK.ID != "" {
		b.LastOK = &w.Tested.LastOK.At
	}
	return b
}

func (d *Desk) apiWays(ctx context.Context, _ *struct{}) (*web.List[wayBody], error) {
	v, err := d.ways(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]wayBody, len(v.Ways))
	for i, w := range v.Ways {
		items[i] = wayOf(w)
	}
	return web.NewList(items, ""), nil
}

func (d *Desk) apiTestWay(ctx context.Context, in *testWayInput) (*web.One[wayBody], error) {
	t, err := d.testWay(ctx, in.Body.Way, in.Body.Result, in.Body.Note)
	if err != nil {
		return nil, err
	}
	tested := plan.Tested{Last: t}
	if t.OK {
		tested.LastOK = t
	}
	return &web.One[wayBody]{Body: wayOf(wayRow{Way: t.Way, Name: t.Way, Machine: in.Body.Result == "", Tested: tested})}, nil
}

func (d *Desk) apiMatrix(ctx context.Context, _ *struct{}) (*web.List[matrixBody], error) {
	v, err := d.matrix(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]matrixBody, len(v.Rows))
	for i, row := range v.Rows {
		items[i] = matrixBody{Scenario: row.Scenario.Slug, Name: row.Scenario.Name, Decided: row.decided(), Cells: []cellBody{}}
		for _, c := range row.Cells {
			items[i].Cells = append(items[i].Cells, cellBody{c.Audience.Slug, c.Kind, c.Note, c.Ready && c.Kind != plan.NotTold})
		}
	}
	return web.NewList(items, ""), nil
}

func (d *Desk) apiFile(of sheetOf) func(context.Context, *struct{}) (*file, error) {
	return func(ctx context.Context, _ *struct{}) (*file, error) { return printed(ctx, of, "") }
}

func (d *Desk) apiFileOf(of sheetOf) func(context.Context, *idPath) (*file, error) {
	return func(ctx context.Context, in *idPath) (*file, error) { return printed(ctx, of, in.ID) }
}

func printed(ctx context.Context, of sheetOf, id string) (*file, error) {
	doc, err := of(ctx, id)
	if err != nil {
		return nil, err
	}
	raw, err := paper.PDF(doc)
	return &file{"application/pdf", raw}, err
}

func (d *Desk) apiSwitchboard(ctx context.Context, _ *struct{}) (*web.One[switchboard], error) {
	v, err := d.phone(ctx)
	if err != nil {
		return nil, err
	}
	out := switchboard{AsOf: v.Now, Readings: []readingBody{}, Silent: v.Silent, Instead: []insteadBody{}, NotSay: append([]string{}, v.NotSay...)}
	for _, r := range v.Readings {
		b := readingBody{Text: r.Text, AsOf: r.At, Late: r.Late}
		if !r.Next.IsZero() {
			b.Next = &r.Next
		}
		out.Readings = append(out.Readings, b)
	}
	for _, s := range v.Ways {
		if s.Workaround.Works(v.Now) {
			out.Instead = append(out.Instead, insteadBody{s.Name, s.Workaround.Text, s.Workaround.Hours, s.Workaround.Deadline})
		}
	}
	return &web.One[switchboard]{Body: out}, nil
}

func (d *Desk) apiPrepare(ctx context.Context, in *prepareInput) (*web.One[preparedBody], error) {
	s, err := d.prepare(ctx, incident.ID(in.ID), in.Body.Scenario)
	return &web.One[preparedBody]{Body: preparedBody{string(s.ID), string(s.Kind)}}, err
}

func (d *Desk) apiBrief(ctx context.Context, in *idPath) (*web.One[briefBody], error) {
	doc, err := d.brief(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := briefBody{Title: strings.TrimSpace(doc.Title + ": " + doc.Subtitle), AsOf: doc.Stand, Facts: []briefFact{}, Sections: []string{}}
	for _, f := range doc.Facts {
		out.Facts = append(out.Facts, briefFact{f.Label, f.Value})
	}
	for _, s := range doc.Sections {
		out.Sections = append(out.Sections, s.Title)
	}
	return &web.One[briefBody]{Body: out}, nil
}

package desk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/paper"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// sheetOf makes what is printed for a request's id; sheets of the whole town
// have none.
type sheetOf func(ctx context.Context, id string) (paper.Document, error)

// sheet shows a document as a page.
func (d *Desk) sheet(of sheetOf) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		doc, err := of(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		return web.Render(w, r, sheetPage(doc, pdfHref(r.URL.Path)))
	}
}

func pdfHref(path string) string {
	if strings.Count(path, "/") > 2 { // below an id
		return path + "/pdf"
	}
	return path + ".pdf"
}

// pdf hands a document out as a file to keep.
func (d *Desk) pdf(of sheetOf) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		doc, err := of(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		file, err := paper.PDF(doc)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/pdf")
		w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(doc)+`"`)
		_, _ = w.Write(file) // the reader may be gone
		return nil
	}
}

// fileName is short and safe: "notfallmappe-2027-05-01.pdf".
func fileName(doc paper.Document) string {
	return service.SlugFor(doc.Title) + "-" + doc.Stand.Format("2006-01-02") + ".pdf"
}

// printing is everything that the town's sheets are made from.
type printing struct {
	ctx       context.Context
	town      identity.Tenant
	doc       plan.Document
	stand     plan.Stand
	at        time.Time
	audiences []plan.Audience
	services  []service.Service
	people    map[string]identity.Person
	taken     map[plan.Part]bool
	mayRead   bool
}

func (d *Desk) printing(ctx context.Context) (p printing, err error) {
	p = printing{ctx: ctx, mayRead: mayLead(ctx)}
	if p.town, err = d.o.Identity.Current(ctx); err != nil {
		return p, err
	}
	own, stand, err := d.o.Plan.Document(ctx)
	if err != nil {
		return p, err
	}
	offer, err := plan.Offered(string(i18n.Of(ctx).Lang))
	if err != nil {
		return p, err
	}
	p.doc, p.taken = own.Filled(offer)
	p.stand = stand
	if p.at, err = d.standOf(ctx, stand); err != nil {
		return p, err
	}
	if p.audiences, err = d.o.Plan.Audiences(ctx); err != nil {
		return p, err
	}
	if p.services, err = d.o.Service.List(ctx); err != nil {
		return p, err
	}
	p.people, err = d.names(ctx)
	return p, err
}

// mayLead reports whether the reader sees private numbers and other people's
// sheets.
func mayLead(ctx context.Context) bool {
	return ident.ActorOf(ctx).Has("admin", "publisher", "approver", "it")
}

func (p printing) t(key string, args ...any) string { return i18n.T(p.ctx, "desk."+key, args...) }

// sheet is the frame of every sheet: Stand, version, valid until, a mark of the
// content, page numbers.
func (p printing) sheet(title, subtitle string, sections []paper.Section) paper.Document {
	doc := paper.Document{
		Lang: string(i18n.Of(p.ctx).Lang), Title: title, Subtitle: subtitle, PageOf: p.t("page_of"), Stand: p.at, Sections: sections,
	}
	stand := i18n.Stand(p.ctx, p.at)
	until := cmp.Or(plan.Day(p.ctx, p.doc.Cover.ValidUntil), p.t("until_open"))
	doc.Facts = []paper.Fact{
		{Label: p.t("stand"), Value: stand},
		{Label: p.t("version"), Value: strconv.Itoa(p.stand.Number)},
		{Label: p.t("valid_until"), Value: until},
		{Label: p.t("mark"), Value: mark(doc)},
	}
	doc.Foot = p.town.Name + " · " + p.t("stand") + " " + stand + " · " + p.t("valid_until") + " " + until + " · " + title
	return doc
}

// mark is a short name of the content: two sheets with the same mark say the
// same.
func mark(doc paper.Document) string {
	raw, err := json.Marshal(doc)
	if err != nil {
		return "–"
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:4])
}

// who is a person of the plan as a sheet names them.
func (p printing) who(mail string) string {
	if mail == "" {
		return p.t("nobody")
	}
	person, ok := p.people[mail]
	if !ok {
		return mail
	}
	out := person.Name
	if p.mayRead && person.Mobile != "" {
		out += "\n" + person.Mobile
	}
	return out
}

// folder is the Notfallmappe: everything that is needed when nothing works.
func (d *Desk) folder(ctx context.Context, _ string) (paper.Document, error) {
	p, err := d.printing(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	v, err := d.matrix(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	ways, err := d.ways(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	sections := []paper.Section{p.first(), p.roles(), p.numbers(false), p.waysOut(ways), p.scenarios(v), p.holding()}
	for _, part := range []plan.Part{plan.Questions, plan.PressList, plan.Media, plan.NotSay, plan.StaffInfo, plan.Before} {
		sections = append(sections, p.list(part))
	}
	b, signed, err := d.o.Plan.Backing(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	doc := p.sheet(p.t("folder"), p.t("folder_of", p.town.Name), append(sections, p.steps(), p.hotlines()))
	doc.Facts = append(doc.Facts, paper.Fact{Label: i18n.T(ctx, "plan.signoff"), Value: p.backing(b, signed, p.stand.Number)})
	return doc, nil
}

func (p printing) codes() paper.Codes {
	var out paper.Codes
	if p.town.PublicURL != "" {
		out = append(out, paper.Code{Label: p.t("status_page"), URL: p.town.PublicURL + "/"})
	}
	if p.town.StaffURL != "" {
		out = append(out, paper.Code{Label: p.t("console"), URL: p.town.StaffURL + "/"})
	}
	return out
}

func (p printing) first() paper.Section {
	var first paper.Checks
	for n := 1; n <= 7; n++ {
		first = append(first, p.t("first_"+strconv.Itoa(n)))
	}
	s := paper.Section{Title: p.t("first"), Blocks: []paper.Block{first}}
	for _, c := range []struct{ key, text string }{{"meet", p.doc.Cover.Meet}, {"codeword", p.doc.Cover.Codeword}, {"kept", p.doc.Cover.Kept}} {
		if c.text != "" {
			s.Blocks = append(s.Blocks, paper.Text{Text: i18n.T(p.ctx, "plan."+c.key) + ": " + c.text})
		}
	}
	return paper.Section{Title: s.Title, Blocks: append(s.Blocks, p.codes())}
}

func (p printing) roles() paper.Section {
	t := paper.Table{Caption: p.t("who"), Heads: []string{i18n.T(p.ctx, "plan.title"), i18n.T(p.ctx, "plan.owner"), i18n.T(p.ctx, "plan.deputy"), p.t("rhythm")}, Widths: []float64{3, 3, 3, 2.4}}
	for _, a := range p.audiences {
		t.Rows = append(t.Rows, []string{a.Name, p.who(a.Owner), p.who(a.Deputy), p.t("rhythm_is", i18n.Span(p.ctx, a.First()), i18n.Span(p.ctx, a.Every()))})
	}
	s := paper.Section{Title: p.t("who"), Blocks: []paper.Block{t}}
	for _, a := range p.audiences {
		if a.Profile.Needs == "" && len(a.Profile.Questions) == 0 {
			continue
		}
		s.Blocks = append(s.Blocks, paper.Heading(a.Name))
		if a.Profile.Needs != "" {
			s.Blocks = append(s.Blocks, paper.Text{Text: a.Profile.Needs})
		}
		s.Blocks = append(s.Blocks, paper.List(a.Profile.Questions))
	}
	return s
}

// numbers is the contact register; short takes those for the car.
func (p printing) numbers(short bool) paper.Section {
	s := paper.Section{Title: p.t("numbers"), NewPage: !short}
	for _, k := range plan.ContactKinds() {
		t := paper.Table{Caption: i18n.T(p.ctx, "plan.contact_"+string(k)), Heads: []string{i18n.T(p.ctx, "plan.contact_name"), p.t("number"), p.t("reach")}, Widths: []float64{3, 3, 2}}
		for _, c := range p.doc.Of(k) {
			if short && !c.Card {
				continue
			}
			number := strings.Join(slices.DeleteFunc([]string{c.Phone, c.Other, c.Mail}, func(s string) bool { return s == "" }), "\n")
			t.Rows = append(t.Rows, []string{strings.TrimSpace(c.Name + "\n" + c.Role), cmp.Or(number, p.t("hidden")), c.Hours})
		}
		if len(t.Rows) > 0 {
			s.Blocks = append(s.Blocks, paper.Heading(t.Caption), t)
		}
	}
	if len(s.Blocks) == 0 {
		s.Blocks = []paper.Block{paper.Text{Text: p.t("nothing_entered")}}
	}
	return s
}

func (p printing) waysOut(v waysView) paper.Section {
	t := paper.Table{Caption: p.t("ways_order"), Heads: []string{i18n.T(p.ctx, "plan.title"), p.t("ways_order")}, Widths: []float64{2, 4}}
	for _, a := range p.audiences {
		var words []string
		for i, w := range a.Profile.Ways {
			words = append(words, strconv.Itoa(i+1)+". "+i18n.T(p.ctx, "plan.way_"+w))
		}
		t.Rows = append(t.Rows, []string{a.Name, cmp.Or(strings.Join(words, ", "), i18n.T(p.ctx, "plan.no_ways"))})
	}
	tests := paper.Table{Caption: p.t("ways_tested"), Heads: []string{p.t("way"), p.t("last_ok")}, Widths: []float64{2, 4}}
	for _, w := range v.Ways {
		at := p.t("never")
		if w.Tested.LastOK.ID != "" {
			at = i18n.Stand(p.ctx, w.Tested.LastOK.At)
		}
		tests.Rows = append(tests.Rows, []string{w.Name, at})
	}
	return paper.Section{Title: p.t("ways"), Blocks: []paper.Block{t, paper.Heading(p.t("ways_tested")), tests}}
}

func (p printing) scenarios(v matrixView) paper.Section {
	s := paper.Section{Title: i18n.T(p.ctx, "plan.part_matrix"), NewPage: true, Blocks: []paper.Block{paper.Text{Text: p.t("matrix_how"), Quiet: true}}}
	// More than five columns are not legible on a sheet.
	for from := 0; from < len(v.Audiences); from += 5 {
		to := min(from+5, len(v.Audiences))
		t := paper.Table{Caption: s.Title, Heads: []string{p.t("scenario")}, Widths: []float64{2}}
		if len(v.Audiences) > 5 { // tables need names of their own
			t.Caption += " " + strconv.Itoa(from/5+1) + "/" + strconv.Itoa((len(v.Audiences)+4)/5)
		}
		for _, a := range v.Audiences[from:to] {
			t.Heads, t.Widths = append(t.Heads, a.Name), append(t.Widths, 1.4)
		}
		for _, row := range v.Rows {
			cells := []string{row.Scenario.Name}
			for _, c := range row.Cells[from:to] {
				cells = append(cells, strings.TrimSpace(p.t("cell_"+c.Kind)+"\n"+c.Note))
			}
			t.Rows = append(t.Rows, cells)
		}
		s.Blocks = append(s.Blocks, t)
	}
	return s
}

// offeredNote says that nobody has taken what is printed.
func (p printing) offeredNote(part plan.Part) []paper.Block {
	if p.taken[part] {
		return nil
	}
	return []paper.Block{paper.Text{Text: p.t("is_offer"), Quiet: true}}
}

func (p printing) holding() paper.Section {
	s := paper.Section{Title: i18n.T(p.ctx, "plan.part_holding"), NewPage: true, Blocks: p.offeredNote(plan.Holding)}
	for _, h := range p.doc.Holding {
		s.Blocks = append(s.Blocks, paper.Quote{Title: h.Title, Text: h.Text})
	}
	return s
}

func (p printing) list(part plan.Part) paper.Section {
	s := paper.Section{Title: i18n.T(p.ctx, "plan.part_"+string(part)), NewPage: part == plan.Questions, Blocks: p.offeredNote(part)}
	if slices.Contains([]plan.Part{plan.Questions, plan.PressList, plan.Before}, part) {
		s.Blocks = append(s.Blocks, paper.Checks(p.doc.Lists[part]))
	} else {
		s.Blocks = append(s.Blocks, paper.List(p.doc.Lists[part]))
	}
	return s
}

func (p printing) steps() paper.Section {
	s := paper.Section{Title: p.t("steps"), NewPage: true}
	for _, sv := range p.services {
		now := p.at
		if sv.FirstSteps == "" && sv.Workaround.Text == "" {
			continue
		}
		s.Blocks = append(s.Blocks, paper.Heading(sv.Name))
		if sv.FirstSteps != "" {
			s.Blocks = append(s.Blocks, paper.Checks(strings.Split(strings.TrimSpace(sv.FirstSteps), "\n")))
		}
		if sv.Workaround.Text != "" {
			text := p.t("instead", sv.Workaround.Text, sv.Workaround.Hours)
			if !sv.Workaround.Works(now) {
				text += " " + p.t("expired")
			}
			s.Blocks = append(s.Blocks, paper.Text{Text: strings.TrimSpace(text)})
		}
		if sv.Workaround.Deadline != "" {
			s.Blocks = append(s.Blocks, paper.Text{Text: p.t("deadline", sv.Workaround.Deadline)})
		}
	}
	if len(s.Blocks) == 0 {
		s.Blocks = []paper.Block{paper.Text{Text: p.t("nothing_entered")}}
	}
	return s
}

func (p printing) hotlines() paper.Section {
	t := paper.Table{Caption: p.t("hotlines"), Heads: []string{p.t("service"), p.t("provider"), p.t("hotline"), p.t("contract"), p.t("reach")}, Widths: []float64{2.4, 2.4, 2.4, 1.6, 1.6}}
	for _, s := range p.services {
		if s.Provider.Name+s.Provider.Hotline != "" {
			t.Rows = append(t.Rows, []string{s.Name, s.Provider.Name, s.Provider.Hotline, s.Provider.Contract, s.Provider.Hours})
		}
	}
	if len(t.Rows) == 0 {
		return paper.Section{Title: p.t("hotlines"), Blocks: []paper.Block{paper.Text{Text: p.t("nothing_entered")}}}
	}
	return paper.Section{Title: p.t("hotlines"), Blocks: []paper.Block{t}}
}

// car is the one sheet for the mayor's car.
func (d *Desk) car(ctx context.Context, _ string) (paper.Document, error) {
	p, err := d.printing(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	say := paper.Section{Title: p.t("car_say"), Blocks: p.offeredNote(plan.Holding)}
	for _, h := range p.doc.Holding[:min(1, len(p.doc.Holding))] {
		say.Blocks = append(say.Blocks, paper.Quote{Text: h.Text})
	}
	not := paper.Section{Title: i18n.T(ctx, "plan.part_not_say"), Blocks: append(p.offeredNote(plan.NotSay), paper.List(p.doc.Lists[plan.NotSay]))}
	var now paper.Checks
	for n := 1; n <= 5; n++ {
		now = append(now, p.t("car_"+strconv.Itoa(n)))
	}
	first := paper.Section{Title: p.t("car_now"), Blocks: []paper.Block{now}}
	if p.doc.Cover.Meet != "" {
		first.Blocks = append(first.Blocks, paper.Text{Text: i18n.T(ctx, "plan.meet") + ": " + p.doc.Cover.Meet, Strong: true})
	}
	doc := p.sheet(p.t("car"), p.town.Name, []paper.Section{first, p.numbers(true), say, not, {Blocks: []paper.Block{p.codes()}}})
	doc.OnePage = true
	return doc, nil
}

// handover is what somebody who leaves owns, holds and must hand over.
func (d *Desk) handover(ctx context.Context, id string) (paper.Document, error) {
	if !mayLead(ctx) && ident.ActorOf(ctx).Person != id {
		return paper.Document{}, fault.New(fault.Forbidden, "desk.handover_forbidden")
	}
	person, err := d.o.Identity.Person(ctx, identity.PersonID(id))
	if err != nil {
		return paper.Document{}, err
	}
	p, err := d.printing(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	var owns, deputises, holds, todo paper.Checks
	for _, s := range p.services {
		if s.Owner == person.Email {
			owns = append(owns, p.t("hand_service", s.Name))
		}
	}
	for _, a := range p.audiences {
		if a.Owner == person.Email {
			owns = append(owns, p.t("hand_audience", a.Name))
		}
		if a.Deputy == person.Email {
			deputises = append(deputises, p.t("hand_audience", a.Name))
		}
	}
	for _, r := range person.Roles {
		holds = append(holds, p.t("hand_role", i18n.T(ctx, "identity.role_"+string(r))))
	}
	for _, c := range p.doc.Contacts {
		if c.Mail == person.Email {
			holds = append(holds, p.t("hand_contact", c.Name))
		}
	}
	if person.Mobile != "" {
		holds = append(holds, p.t("hand_alarm"))
	}
	tasks, err := d.o.Incident.TasksOf(ctx, person.Email)
	if err != nil {
		return paper.Document{}, err
	}
	for _, k := range tasks {
		todo = append(todo, k.Title)
	}
	block := func(c paper.Checks) []paper.Block {
		if len(c) == 0 {
			return []paper.Block{paper.Text{Text: p.t("hand_nothing")}}
		}
		return []paper.Block{c}
	}
	var general paper.Checks
	for n := 1; n <= 5; n++ {
		general = append(general, p.t("hand_"+strconv.Itoa(n)))
	}
	return p.sheet(p.t("handover"), fmt.Sprintf("%s, %s", person.Name, cmp.Or(person.OrgUnit, p.town.Name)), []paper.Section{
		{Title: p.t("hand_owns"), Blocks: block(owns)},
		{Title: p.t("hand_deputises"), Blocks: block(deputises)},
		{Title: p.t("hand_holds"), Blocks: block(holds)},
		{Title: p.t("hand_tasks"), Blocks: block(todo)},
		{Title: p.t("hand_general"), Blocks: []paper.Block{general}},
		{Title: p.t("hand_signed"), Blocks: []paper.Block{paper.Blanks{p.t("hand_to"), p.t("hand_day"), p.t("hand_from_sign"), p.t("hand_to_sign")}}},
	}), nil
}

func (d *Desk) pageHandovers(w http.ResponseWriter, r *http.Request) error {
	if !mayLead(r.Context()) {
		return web.SeeOther(w, r, "/kit/handover/"+ident.ActorOf(r.Context()).Person)
	}
	people, err := d.o.Identity.People(r.Context(), identity.Filter{})
	if err != nil {
		return err
	}
	return web.Render(w, r, handoversPage(people))
}

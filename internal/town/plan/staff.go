package plan

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tuermer/internal/platform/web"
)

// Board / Stab is the part of the plan that says which form of crisis staff the
// town convenes and who is meant for which function.
const Board Part = "board"

// StaffForm is how a town's crisis staff is organised.
type StaffForm string

// The forms.
const (
	Command        StaffForm = "command"        // Führungsstab: S1 to S6
	Administrative StaffForm = "administrative" // Verwaltungsstab
)

// StaffForms lists both.
func StaffForms() []StaffForm { return []StaffForm{Command, Administrative} }

// StaffFunction / Stabsfunktion is a job in the crisis staff.
type StaffFunction string

// The functions. Head and Adviser exist in both forms.
const (
	Head    StaffFunction = "head"
	S1      StaffFunction = "s1"
	S2      StaffFunction = "s2"
	S3      StaffFunction = "s3"
	S4      StaffFunction = "s4"
	S5      StaffFunction = "s5" // press and media
	S6      StaffFunction = "s6"
	KGS     StaffFunction = "kgs"  // coordination
	SMS     StaffFunction = "sms"  // standing members
	EMS     StaffFunction = "ems"  // members for the event at hand
	BuMA    StaffFunction = "buma" // information of the public, media
	Adviser StaffFunction = "adviser"
)

// StaffFunctions lists the functions of a form in their order; any other form is
// the command staff.
func StaffFunctions(f StaffForm) []StaffFunction {
	if f == Administrative {
		return []StaffFunction{Head, KGS, SMS, EMS, BuMA, Adviser}
	}
	return []StaffFunction{Head, S1, S2, S3, S4, S5, S6, Adviser}
}

// Speaks reports whether whoever holds f releases public words in a crisis: press
// and media, and the head of the staff.
func (f StaffFunction) Speaks() bool { return f == S5 || f == BuMA || f == Head }

// Many reports whether several people may hold f at once.
func (f StaffFunction) Many() bool { return f == Adviser || f == SMS || f == EMS }

// Crew is the crisis staff as planned.
type Crew struct {
	Form   StaffForm   `json:"form,omitempty" enum:"command,administrative" doc:"Empty: command"`
	Duties []StaffDuty `json:"duties,omitempty"`
}

// StaffDuty is who is meant for a function.
type StaffDuty struct {
	Function StaffFunction `json:"function"`
	Person   string        `json:"person,omitempty" doc:"Mail address"`
	Deputy   string        `json:"deputy,omitempty" doc:"Mail address; relieves the person"`
}

// Functions are those of the crew's form.
func (c Crew) Functions() []StaffFunction { return StaffFunctions(c.Form) }

// Duty is who is meant for f; the zero value when nobody is.
func (c Crew) Duty(f StaffFunction) StaffDuty {
	if i := slices.IndexFunc(c.Duties, func(d StaffDuty) bool { return d.Function == f }); i >= 0 {
		return c.Duties[i]
	}
	return StaffDuty{Function: f}
}

func (c Crew) check(bad func(field, key string)) {
	if c.Form != "" && !slices.Contains(StaffForms(), c.Form) {
		bad("form", "plan.bad_form")
	}
	seen := map[StaffFunction]bool{}
	for _, d := range c.Duties {
		if !slices.Contains(c.Functions(), d.Function) || seen[d.Function] {
			bad("form", "plan.bad_function")
		}
		seen[d.Function] = true
		if d.Person != "" && d.Person == d.Deputy {
			bad("deputy_"+string(d.Function), "plan.deputy_is_person")
		}
	}
}

// crewFields are the crew as names and values, for comparing versions.
func crewFields(c Crew) item {
	it := item{key: "board", fields: [][2]string{{"form", string(c.Form)}}}
	for _, f := range slices.Concat(StaffFunctions(Command), StaffFunctions(Administrative)) {
		d := c.Duty(f)
		it.fields = append(it.fields, [2]string{string(f), strings.Trim(d.Person+" / "+d.Deputy, " /")})
	}
	return it
}

// editCrew is the page around the crew's form.
type editCrew struct {
	Form   *web.Form
	Crew   Crew
	People []web.Option
	May    bool
}

func (r *Room) pageBoard(w http.ResponseWriter, req *http.Request) error {
	d, s, err := r.Document(req.Context())
	if err != nil {
		return err
	}
	values := map[string]string{"form": string(d.Board.Form), "version": strconv.Itoa(s.Number)}
	if values["form"] == "" {
		values["form"] = string(Command)
	}
	for _, duty := range d.Board.Duties {
		values["person_"+string(duty.Function)], values["deputy_"+string(duty.Function)] = duty.Person, duty.Deputy
	}
	return r.showBoard(w, req, http.StatusOK, d.Board, web.NewForm(values))
}

func (r *Room) showBoard(w http.ResponseWriter, req *http.Request, status int, c Crew, f *web.Form) error {
	people, err := r.people(req.Context(), f)
	if err != nil {
		return err
	}
	for _, duty := range c.Duties { // who has left since still stands there
		for _, who := range []string{duty.Person, duty.Deputy} {
			if who != "" && !slices.ContainsFunc(people, func(o web.Option) bool { return o.Value == who }) {
				people = append(people, web.Option{Value: who, Text: who})
			}
		}
	}
	return web.RenderStatus(w, req, status, boardPage(editCrew{f, c, people, MayChange(req.Context())}))
}

func (r *Room) postBoard(w http.ResponseWriter, req *http.Request) error {
	if err := mayChange(req.Context()); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	c := Crew{Form: StaffForm(f.Get("form"))}
	for _, fn := range c.Functions() {
		duty := StaffDuty{fn, f.Get("person_" + string(fn)), f.Get("deputy_" + string(fn))}
		if duty.Person != "" || duty.Deputy != "" {
			c.Duties = append(c.Duties, duty)
		}
	}
	c.check(f.Fail)
	if f.OK() {
		_, err = r.Edit(req.Context(), Board, Base(f), func(d *Document) error {
			d.Board = c
			return nil
		})
	}
	if !f.OK() || f.Take(err) {
		return r.showBoard(w, req, http.StatusUnprocessableEntity, c, f)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, req, "/kit")
}

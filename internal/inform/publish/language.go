package publish

import (
	"context"
	"net/http"
	"strings"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
)

// remark is what the language check says about one answer.
type remark struct {
	Label string // the question
	template.Assessment
}

// remarks is the check of everything that a person wrote for a statement: the
// prepared words around it were checked before the crisis. It never forbids.
type remarks struct {
	List []remark // answers with something to say
	// All is the check of all answers together; empty when nothing is written.
	All template.Assessment
	// Before are the answers of the version before, for comparing.
	Before *template.Assessment
}

// told reports whether anything was written.
func (r remarks) told() bool { return r.All.Offered != "" }

// hints counts the remarks.
func (r remarks) hints() int {
	n := 0
	for _, x := range r.List {
		n += len(x.Hints)
	}
	return n
}

// factAtFirst is the slot that must begin with what is right; the others of a
// correction name what is being said instead.
const factAtFirst = template.Slot("Tatsache")

// readAnswers checks facts that people wrote. Corrects is the public note of a
// correction, if it is one.
func readAnswers(k template.Kind, facts template.Facts, corrects string, crisis bool, lang template.Language) remarks {
	var out remarks
	var all []string
	if corrects != "" {
		k = template.Correction
	}
	add := func(label, text string, in template.Language, kind template.Kind) {
		text = strings.TrimSpace(text)
		if text == "" {
			return
		}
		a := template.Assess(text, in, template.Situation{Kind: kind, Crisis: crisis})
		if len(a.Hints) > 0 {
			out.List = append(out.List, remark{Label: label, Assessment: a})
		}
		if in == template.DE {
			all = append(all, strings.TrimRight(text, ".")+".")
		}
	}
	note := "Korrektur"
	if lang == template.EN {
		note = "Correction"
	}
	add(note, corrects, template.DE, template.Correction)
	for _, d := range template.Definitions() {
		v := facts[d.Slot]
		if v.IsUnknown() || (d.Kind != template.KindText && d.Kind != template.KindChoice) || d.Source == template.FromTown || d.Source == template.FromIncident {
			continue
		}
		kind := k
		if k == template.Correction && d.Slot != factAtFirst {
			kind = template.Update // what is being said instead may well be wrong
		}
		label := d.Ask(k, lang)
		add(label, v.Text, template.DE, kind)
		add(label+" (English)", v.EN, template.EN, kind)
		if k == template.Correction && d.Slot != factAtFirst {
			for _, h := range template.Check(v.Text, template.DE, template.Situation{Kind: template.Correction}) {
				if h.Code == template.Blame {
					out.List = append(out.List, remark{Label: label, Assessment: template.Assessment{Hints: []template.Hint{h}}})
				}
			}
		}
	}
	if len(all) > 0 {
		out.All = template.Assess(strings.Join(all, " "), template.DE, template.Situation{Kind: template.Update, Crisis: crisis})
	}
	return out
}

// check reads the answers of content about an incident, beside those of the
// version before it.
func (r *Room) check(ctx context.Context, s Statement, k template.Kind, facts template.Facts) (remarks, error) {
	in, err := r.o.Incidents.Get(ctx, s.Incident)
	if err != nil {
		return remarks{}, err
	}
	lang := template.DE
	if i18n.Of(ctx).Lang == i18n.EN {
		lang = template.EN
	}
	out := readAnswers(k, facts, s.Correction, in.Level == incident.Crisis, lang)
	if s.Corrects != "" {
		old, err := r.get(ctx, s.Corrects)
		if err != nil {
			return out, err
		}
		if before := readAnswers(old.Kind, old.Facts, "", in.Level == incident.Crisis, lang); before.told() {
			out.Before = &before.All
		}
	}
	return out, nil
}

// postCheck reads what stands in the composer at this moment. It keeps nothing.
func (r *Room) postCheck(w http.ResponseWriter, req *http.Request) error {
	ctx := req.Context()
	if _, err := mayWrite(ctx); err != nil {
		return err
	}
	f, err := web.ReadForm(req)
	if err != nil {
		return err
	}
	s := Statement{Incident: incident.ID(f.Get("incident"))}
	if id := ID(f.Get("statement")); id != "" {
		if s, err = r.Get(ctx, id); err != nil {
			return err
		}
	}
	k := kindOf(f.Get("kind"))
	if k == "" {
		k = s.Kind
	}
	if k == "" {
		return fault.New(fault.Invalid, "publish.kind", f.Get("kind"))
	}
	v, err := r.check(ctx, s, k, typed(f))
	if err != nil {
		return err
	}
	return web.Render(w, req, languagePart(v))
}

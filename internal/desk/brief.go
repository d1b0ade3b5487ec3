package desk

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/paper"
	"tuermer/internal/town/plan"
)

// edition is one "Lage auf einer Seite": what the journal said at its moment.
type edition struct {
	Number int
	At     time.Time // its Stand
	Next   time.Time // zero: the last one
}

// editionAt is the edition that holds at now. The first comes with the
// confirmation, the next ones every so often, the last when everything works
// again: the cadence is its own and hangs on no statement (R1.16).
func editionAt(i incident.Incident, every time.Duration, now time.Time) edition {
	from := i.ConfirmedAt
	if from.IsZero() {
		from = i.OpenedAt
	}
	end := i.RestoredAt
	if end.IsZero() {
		end = i.ClosedAt
	}
	if !end.IsZero() && !now.Before(end) {
		return edition{Number: 1 + int(end.Sub(from)/every) + 1, At: end}
	}
	n := 0
	if now.After(from) {
		n = int(now.Sub(from) / every)
	}
	at := from.Add(time.Duration(n) * every)
	return edition{Number: n + 1, At: at, Next: at.Add(every)}
}

// briefEvery is the cadence for the management: that of its audience.
func briefEvery(audiences []plan.Audience) time.Duration {
	i := slices.IndexFunc(audiences, func(a plan.Audience) bool { return a.Kind == plan.Leadership })
	if i < 0 {
		return plan.Audience{Kind: plan.Leadership}.Every()
	}
	return audiences[i].Every()
}

// brief is the page for the management, as of its latest edition.
func (d *Desk) brief(ctx context.Context, id string) (paper.Document, error) {
	in, err := d.o.Incident.Get(ctx, incident.ID(id))
	if err != nil {
		return paper.Document{}, err
	}
	p, err := d.printing(ctx)
	if err != nil {
		return paper.Document{}, err
	}
	e := editionAt(in, briefEvery(p.audiences), d.o.Clock.Now())
	if in, err = d.o.Incident.AsOf(ctx, in.ID, e.At); err != nil {
		return paper.Document{}, err
	}
	journal, err := d.o.Incident.Journal(ctx, in.ID)
	if err != nil {
		return paper.Document{}, err
	}
	journal = slices.DeleteFunc(journal, func(x incident.Entry) bool { return x.At.After(e.At) })
	facts, err := d.o.Incident.FactsAsOf(ctx, in.ID, e.At)
	if err != nil {
		return paper.Document{}, err
	}
	tasks, err := d.o.Incident.Tasks(ctx, in.ID)
	if err != nil {
		return paper.Document{}, err
	}
	tasks = slices.DeleteFunc(tasks, func(k incident.Task) bool { return k.At.After(e.At) || (!k.Open() && !k.DoneAt.After(e.At)) })
	said, err := d.o.Publish.List(ctx, publish.Filter{Incident: in.ID, States: []publish.State{publish.StatePublished}, Limit: 50})
	if err != nil {
		return paper.Document{}, err
	}
	said = slices.DeleteFunc(said, func(s publish.Statement) bool { return s.PublishedAt.After(e.At) })
	sections := []paper.Section{p.briefHead(in, e), p.briefFacts(facts), p.briefSaid(said), p.briefTasks(tasks), p.briefJournal(journal)}
	title := p.t("brief")
	if in.Realm == incident.Exercise {
		title = p.t("exercise_title", title)
	}
	p.at = e.At
	doc := p.sheet(title, in.Title, sections)
	doc.Facts = []paper.Fact{{Label: p.t("stand"), Value: i18n.Stand(ctx, e.At)}, {Label: p.t("edition"), Value: strconv.Itoa(e.Number)}}
	if e.Next.IsZero() {
		doc.Facts = append(doc.Facts, paper.Fact{Label: p.t("next_edition"), Value: p.t("no_next_edition")})
	} else {
		doc.Facts = append(doc.Facts, paper.Fact{Label: p.t("next_edition"), Value: i18n.Stand(ctx, e.Next)})
	}
	doc.Foot = p.town.Name + " · " + title + " · " + in.Title
	doc.OnePage = true
	return doc, nil
}

func (p printing) briefHead(in incident.Incident, e edition) paper.Section {
	words := []string{p.t("brief_since", i18n.Stand(p.ctx, in.Since)), p.t("brief_level", in.Level.Word(p.ctx)), p.t("brief_phase", in.Phase.Word(p.ctx))}
	if in.Private {
		words = append(words, p.t("brief_private"))
	}
	var names []string
	for _, s := range p.services {
		if slices.Contains(in.Services, s.Slug) {
			names = append(names, s.Name)
		}
	}
	blocks := []paper.Block{paper.Text{Text: strings.Join(words, " "), Strong: true}}
	if len(names) > 0 {
		blocks = append(blocks, paper.Text{Text: p.t("brief_services", strings.Join(names, ", "))})
	}
	for _, s := range p.services {
		if slices.Contains(in.Services, s.Slug) && s.Workaround.Works(e.At) {
			blocks = append(blocks, paper.Text{Text: s.Name + ": " + p.t("instead", s.Workaround.Text, s.Workaround.Hours)})
		}
	}
	return paper.Section{Title: p.t("brief_now"), Blocks: blocks}
}

func (p printing) briefFacts(facts []incident.Fact) paper.Section {
	s := paper.Section{Title: p.t("brief_facts")}
	for _, c := range incident.Certainties() {
		var list paper.List
		for _, f := range facts {
			if f.Certainty == c {
				text := f.Text
				if f.Hold {
					text += " " + p.t("brief_hold")
				}
				list = append(list, text)
			}
		}
		if len(list) > 0 {
			s.Blocks = append(s.Blocks, paper.Heading(c.Word(p.ctx)), list[:min(len(list), 8)])
		}
	}
	if len(s.Blocks) == 0 {
		s.Blocks = []paper.Block{paper.Text{Text: p.t("brief_no_facts")}}
	}
	return s
}

// promised is what the town had promised each audience with the statements that
// it had made, by name; an audience that got its last words is promised nothing.
func (p printing) promised(said []publish.Statement) (list paper.List) {
	for _, a := range p.audiences {
		for _, s := range said { // the newest first
			if !slices.Contains(s.Audiences, a.Slug) {
				continue
			}
			if next := s.Next[a.Slug]; !next.IsZero() {
				list = append(list, p.t("brief_promise", cmp.Or(a.Name, a.Slug), i18n.Short(p.ctx, next)))
			}
			break
		}
	}
	return list
}

func (p printing) briefSaid(said []publish.Statement) paper.Section {
	s := paper.Section{Title: p.t("brief_said")}
	slices.SortFunc(said, func(a, b publish.Statement) int { return b.PublishedAt.Compare(a.PublishedAt) })
	var list paper.List
	for _, x := range said[:min(len(said), 5)] {
		list = append(list, i18n.Short(p.ctx, x.PublishedAt)+": "+publish.KindWord(p.ctx, x.Kind))
	}
	if len(list) == 0 {
		s.Blocks = append(s.Blocks, paper.Text{Text: p.t("brief_unsaid")})
	} else {
		s.Blocks = append(s.Blocks, list)
	}
	if next := p.promised(said); len(next) > 0 {
		s.Blocks = append(s.Blocks, paper.Heading(p.t("brief_next")), next)
	}
	return s
}

func (p printing) briefTasks(tasks []incident.Task) paper.Section {
	var list paper.List
	for _, k := range tasks[:min(len(tasks), 8)] {
		list = append(list, k.Title+": "+cmp.Or(strings.ReplaceAll(p.who(k.Owner), "\n", " "), p.t("nobody")))
	}
	if len(list) == 0 {
		return paper.Section{Title: p.t("brief_tasks"), Blocks: []paper.Block{paper.Text{Text: p.t("brief_no_tasks")}}}
	}
	return paper.Section{Title: p.t("brief_tasks"), Blocks: []paper.Block{list}}
}

// briefJournal are the last entries, what alarms said left out.
func (p printing) briefJournal(journal []incident.Entry) paper.Section {
	t := paper.Table{Caption: p.t("brief_journal"), Heads: []string{p.t("brief_time"), p.t("brief_what"), p.t("brief_by")}, Widths: []float64{1.3, 5, 1.5}}
	for _, e := range slices.Backward(journal) {
		if len(t.Rows) == 10 {
			break
		}
		t.Rows = append(t.Rows, []string{i18n.Short(p.ctx, e.At), e.Text, e.Actor.Name})
	}
	return paper.Section{Title: p.t("brief_journal"), Blocks: []paper.Block{t}}
}

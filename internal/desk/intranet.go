package desk

import (
	"cmp"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/plan"
)

// staffTold is one message to staff.
type staffTold struct {
	ID          string
	Title, Text string
	At, Next    time.Time
	Late, Over  bool
}

// intranet is what staff read in their own pages: how the services stand and what
// they were told about what is going on.
type intranet struct {
	Town     string
	Now      time.Time
	Services []partner
	Told     []staffTold
}

// embedding is the page of the console on which an intranet gets its snippet.
type embedding struct {
	Links  []plan.Link
	Public string // address of the public page; empty: none is entered
	May    bool
	Form   *web.Form
	// Of a link made just now.
	Made    plan.Link
	Address string
}

func (d *Desk) intranetRoutes(s *web.Site) {
	s.Handle("GET /kit/intranet", web.Staff(d.pageIntranet))
	s.Handle("POST /kit/intranet", web.Staff(d.postIntranet))
	s.Handle("GET /ti/{token}", d.pageIntranetLink)
	s.Handle("GET /ti/{token}/feed.atom", d.intranetFeed)
}

func (d *Desk) embedding(ctx context.Context) (v embedding, err error) {
	v.May, v.Form = plan.MayChange(ctx), web.NewForm(nil)
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return v, err
	}
	v.Public = strings.TrimRight(town.PublicURL, "/")
	if !v.May {
		return v, nil
	}
	all, err := d.o.Plan.Links(ctx)
	v.Links = slices.DeleteFunc(all, func(l plan.Link) bool { return l.Purpose != plan.StaffPage })
	return v, err
}

func (d *Desk) pageIntranet(w http.ResponseWriter, r *http.Request) error {
	v, err := d.embedding(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, intranetPage(v))
}

func (d *Desk) postIntranet(w http.ResponseWriter, r *http.Request) error {
	if !plan.MayChange(r.Context()) {
		return fault.New(fault.Forbidden, "plan.forbidden")
	}
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	l, secret, failed := d.o.Plan.CreateLink(ctx, plan.StaffPage, f.Get("name"), strings.Fields(f.Get("frames"))...)
	if failed != nil && !f.Take(failed) {
		return failed
	}
	v, err := d.embedding(ctx)
	if err != nil {
		return err
	}
	if failed != nil {
		v.Form = f
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, intranetPage(v))
	}
	v.Made = l
	if v.Address, err = d.linkAddress(ctx, l.Purpose, secret); err != nil {
		return err
	}
	return web.Render(w, r, intranetPage(v))
}

// linkAddress is where a secret link opens.
func (d *Desk) linkAddress(ctx context.Context, p plan.Purpose, secret string) (string, error) {
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(town.StaffURL, "/") + plan.LinkPath(p, secret), nil
}

// pageIntranetLink is the page behind the secret link. The pages of the link's
// origins may show it in a frame, and nobody else's.
func (d *Desk) pageIntranetLink(w http.ResponseWriter, r *http.Request) error {
	display(w)
	ctx := r.Context()
	l, err := d.o.Plan.OpenLink(ctx, plan.StaffPage, r.PathValue("token"))
	if err != nil {
		return err
	}
	v, err := d.intranet(ctx)
	if err != nil {
		return err
	}
	if len(l.Frames) > 0 {
		w.Header().Set("Content-Security-Policy", strings.Replace(web.Policy, "frame-ancestors 'none'", "frame-ancestors 'self' "+strings.Join(l.Frames, " "), 1))
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	return web.Render(w, r, intranetDisplay(v))
}

// intranet gathers it. Nothing of private incidents (I17), of exercises (I4) or of
// drafts comes in: whoever has the address reads it.
func (d *Desk) intranet(ctx context.Context) (v intranet, err error) {
	v.Now = d.o.Clock.Now()
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return v, err
	}
	v.Town = town.Name
	catalogue, err := d.o.Service.List(ctx)
	if err != nil {
		return v, err
	}
	states, err := d.o.Monitor.ServiceStates(system(ctx))
	if err != nil {
		return v, err
	}
	incidents, err := d.o.Incident.List(system(ctx), incident.Filter{Current: true, Realm: incident.Live, Limit: 100})
	if err != nil {
		return v, err
	}
	audiences, err := d.o.Plan.Audiences(ctx)
	if err != nil {
		return v, err
	}
	mine := func(slug string) bool {
		return slices.ContainsFunc(audiences, func(a plan.Audience) bool { return a.Slug == slug && a.Kind == plan.Staff })
	}
	hidden := map[string]bool{}
	for _, i := range incidents {
		if i.Private {
			for _, slug := range i.Services {
				hidden[slug] = true
			}
			continue
		}
		if i.Realm != incident.Live {
			continue
		}
		told, err := d.toldStaff(ctx, i, 1, v.Now)
		if err != nil {
			return v, err
		}
		v.Told = append(v.Told, told...)
	}
	slices.SortFunc(v.Told, func(a, b staffTold) int { return b.At.Compare(a.At) })
	for _, s := range catalogue {
		if !s.Public && !slices.ContainsFunc(s.Audiences, mine) {
			continue
		}
		state, ok := states[s.Slug]
		if !ok || hidden[s.Slug] {
			state = web.Unknown
		}
		v.Services = append(v.Services, partner{Service: s, State: state})
	}
	v.Services = alsoHit(catalogue, v.Services)
	// What does not work stands first.
	slices.SortStableFunc(v.Services, func(a, b partner) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return v, nil
}

func rank(p partner) int {
	if p.broken() {
		return 0
	}
	return 1
}

// toldStaff are the newest messages about an incident that went to staff.
func (d *Desk) toldStaff(ctx context.Context, i incident.Incident, most int, now time.Time) (out []staffTold, err error) {
	list, err := d.o.Publish.List(system(ctx), publish.Filter{Incident: i.ID, States: []publish.State{publish.StatePublished}, Limit: 200})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b publish.Statement) int { return b.PublishedAt.Compare(a.PublishedAt) })
	lang := template.DE
	if i18n.Of(ctx).Lang == i18n.EN {
		lang = template.EN
	}
	for _, s := range list {
		if s.CorrectedBy != "" { // what is right stands in the newer version
			continue
		}
		vs, err := d.o.Publish.Variants(system(ctx), s.ID)
		if err != nil {
			return nil, err
		}
		for _, l := range []template.Language{lang, template.DE} {
			at := slices.IndexFunc(vs, func(v publish.Variant) bool {
				return v.Kind == plan.Staff && v.Format == template.Mail && v.Language == l
			})
			if at < 0 {
				continue
			}
			v := vs[at]
			text, _, _ := strings.Cut(v.Body, "\n-- \n") // below stands why a mail's reader has it
			out = append(out, staffTold{
				ID: string(s.ID), Title: v.Subject, Text: strings.TrimSpace(text), At: v.AsOf, Next: v.Next,
				Late: !v.Next.IsZero() && now.After(v.Next) && i.Phase.Active(), Over: !i.Phase.Active(),
			})
			break
		}
		if len(out) == most {
			break
		}
	}
	return out, nil
}

// The feed of messages to staff, in Atom (RFC 4287).
type staffFeed struct {
	XMLName xml.Name     `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string       `xml:"xml:lang,attr"`
	ID      string       `xml:"id"`
	Title   string       `xml:"title"`
	Updated string       `xml:"updated"`
	Author  string       `xml:"author>name"`
	Entries []staffEntry `xml:"entry"`
}

type staffEntry struct {
	ID      string `xml:"id"`
	Title   string `xml:"title"`
	Updated string `xml:"updated"`
	Content string `xml:"content"`
}

// feedEntries bounds the feed; feedFor is how long a message stands in it.
const (
	feedEntries = 50
	feedFor     = 30 * 24 * time.Hour
)

func (d *Desk) intranetFeed(w http.ResponseWriter, r *http.Request) error {
	display(w)
	w.Header().Del("Refresh") // readers of feeds ask by themselves
	ctx := r.Context()
	if _, err := d.o.Plan.OpenLink(ctx, plan.StaffPage, r.PathValue("token")); err != nil {
		return err
	}
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return err
	}
	now := d.o.Clock.Now()
	incidents, err := d.o.Incident.List(system(ctx), incident.Filter{Realm: incident.Live, Limit: 100})
	if err != nil {
		return err
	}
	var told []staffTold
	for _, i := range incidents {
		if i.Private || i.Realm != incident.Live || now.Sub(i.OpenedAt) > feedFor {
			continue
		}
		some, err := d.toldStaff(ctx, i, feedEntries, now)
		if err != nil {
			return err
		}
		told = append(told, some...)
	}
	slices.SortFunc(told, func(a, b staffTold) int { return b.At.Compare(a.At) })
	host := string(town.ID) + ".invalid"
	if u, err := url.Parse(town.StaffURL); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	tag := "tag:" + host + ",2026:staff-"
	f := staffFeed{
		Lang: string(i18n.Of(ctx).Lang), ID: tag + "feed", Title: i18n.T(ctx, "desk.intranet_feed", town.Name),
		Updated: time.Unix(0, 0).UTC().Format(time.RFC3339), Author: town.Name,
	}
	for n, t := range told[:min(len(told), feedEntries)] {
		at := t.At.UTC().Format(time.RFC3339)
		if n == 0 {
			f.Updated = at
		}
		f.Entries = append(f.Entries, staffEntry{ID: tag + t.ID, Title: t.Title, Updated: at, Content: t.Text})
	}
	body, err := xml.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/atom+xml; charset=utf-8")
	_, err = w.Write(append([]byte(xml.Header), body...))
	return err
}

// frameSnippet is what is pasted into a page: a frame, and a link for whoever sees
// no frame. It needs no script.
func frameSnippet(address, title string) string {
	e := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;")
	a, t := e.Replace(address), e.Replace(title)
	return `<iframe src="` + a + `" title="` + t + `" width="100%" height="420" loading="lazy" referrerpolicy="no-referrer"></iframe>` +
		"\n" + `<p><a href="` + a + `">` + t + `</a></p>`
}

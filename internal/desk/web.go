package desk

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/identity"
)

func (d *Desk) overview(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lage(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, overviewPage(l))
}

func (d *Desk) more(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, morePage(d.nav(r.Context())))
}

// informing is the short message before it goes out.
type informing struct {
	Alert   alert.Alert
	Preview publish.Preview
	// Texts are the words that citizens will read, per language.
	Texts []publish.Variant
	Form  *web.Form
}

// inform shows the short message that was approved beforehand, filled with what
// is known, and to how many it goes. One more click publishes it.
func (d *Desk) inform(w http.ResponseWriter, r *http.Request) error {
	v, err := d.informing(r.Context(), alert.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	return web.Render(w, r, informPage(v))
}

func (d *Desk) informing(ctx context.Context, id alert.ID) (v informing, err error) {
	v.Form = web.NewForm(nil)
	if v.Alert, err = d.o.Alert.Get(ctx, id); err != nil {
		return v, err
	}
	if v.Alert.Service == "" {
		return v, fault.New(fault.Conflict, "desk.no_service")
	}
	q := publish.HoldingRequest{Services: []string{v.Alert.Service}, Since: v.Alert.Since}
	if v.Alert.IncidentID != "" {
		q = publish.HoldingRequest{Incident: incident.ID(v.Alert.IncidentID)}
	}
	if v.Preview, err = d.o.Publish.QuickHolding(ctx, q); err != nil {
		return v, err
	}
	v.Texts = v.Preview.Variants
	return v, nil
}

// informNow does in one transaction what the button says: take the alarm, open
// the incident, publish the short message. Where a second person is needed, the
// message waits for their approval instead.
func (d *Desk) informNow(w http.ResponseWriter, r *http.Request) error {
	id := alert.ID(r.PathValue("id"))
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	if !ident.ActorOf(r.Context()).Has("it", "publisher", "approver", "admin") {
		return fault.New(fault.Forbidden, "publish.forbidden")
	}
	way := form.Get("way")
	if !slices.Contains([]string{"publish", "submit", "break_glass"}, way) {
		return fault.New(fault.Invalid, "desk.no_way_named")
	}
	var in incident.ID
	var s publish.Statement
	err = d.o.Store.InTx(r.Context(), func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if in, err = d.incidentOf(ctx, id); err != nil {
			return err
		}
		if way == "submit" {
			if s, err = d.o.Publish.Create(ctx, in, publish.Content{Kind: template.Holding}); err != nil {
				return err
			}
			s, err = d.o.Publish.Submit(ctx, s.ID, s.Revision, "")
			return err
		}
		c := publish.Consent{}
		if way == "break_glass" {
			c.BreakGlass = form.Get("reason")
		}
		s, err = d.o.Publish.PublishHolding(ctx, in, nil, c)
		return err
	})
	if err == nil {
		return web.SeeOther(w, r, incidentHref(in))
	}
	if k := fault.KindOf(err); k != fault.Invalid && k != fault.Conflict && k != fault.Forbidden {
		return err
	}
	v, errLook := d.informing(r.Context(), id)
	if errLook != nil {
		return err
	}
	v.Form = form
	if !form.Take(err) {
		form.Fail("", fault.As(err).Key)
	}
	return web.RenderStatus(w, r, fault.Status(fault.KindOf(err)), informPage(v))
}

// incidentOf takes the alarm and opens its incident, unless that is done.
func (d *Desk) incidentOf(ctx context.Context, id alert.ID) (incident.ID, error) {
	a, err := d.o.Alert.Get(ctx, id)
	if err != nil {
		return "", err
	}
	if a.State == alert.StateOpen {
		if a, err = d.o.Alert.Acknowledge(ctx, id); err != nil {
			return "", err
		}
	}
	if a.IncidentID != "" {
		return incident.ID(a.IncidentID), nil
	}
	i, err := d.o.Incident.Open(ctx, incident.OpenRequest{Alerts: []string{string(id)}, Confirmed: true})
	return i.ID, err
}

// openIncident opens the incident without telling anybody yet. Whoever wants to
// tell in words of their own is led on into the composer.
func (d *Desk) openIncident(w http.ResponseWriter, r *http.Request) error {
	in, err := d.incidentOf(r.Context(), alert.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	if r.PostFormValue("then") == "write" {
		return web.SeeOther(w, r, "/publish/new?incident="+url.QueryEscape(string(in)))
	}
	return web.SeeOther(w, r, incidentHref(in))
}

// found is one line of the search.
type found struct{ Href, Kind, Text string }

// search looks through names and titles; it finds the thing, not every mention.
func (d *Desk) search(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), strings.TrimSpace(r.URL.Query().Get("q"))
	var out []found
	if q != "" {
		var err error
		if out, err = d.find(ctx, q); err != nil {
			return err
		}
	}
	return web.Render(w, r, searchPage(q, out))
}

func (d *Desk) find(ctx context.Context, q string) (out []found, err error) {
	hit := func(words ...string) bool {
		return strings.Contains(strings.ToLower(strings.Join(words, "\n")), strings.ToLower(q))
	}
	incidents, err := d.o.Incident.List(ctx, incident.Filter{Limit: 1000})
	if err != nil {
		return nil, err
	}
	for _, i := range incidents {
		if hit(i.Title) {
			out = append(out, found{incidentHref(i.ID), i18n.T(ctx, "desk.kind_incident"), i.Title + ", " + i18n.Short(ctx, i.Since)})
		}
	}
	services, err := d.o.Service.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		if hit(s.Name, s.Slug) {
			out = append(out, found{"/service/" + s.Slug, i18n.T(ctx, "desk.kind_service"), s.Name})
		}
	}
	monitors, err := d.o.Monitor.List(ctx, monitor.Filter{Query: q, Limit: 20})
	if err != nil {
		return nil, err
	}
	for _, m := range monitors {
		out = append(out, found{"/monitor/" + m.Slug, i18n.T(ctx, "desk.kind_monitor"), m.Title()})
	}
	people, err := d.o.Identity.People(ctx, identity.Filter{Query: q, Limit: 20})
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		out = append(out, found{"/identity/person/" + string(p.ID), i18n.T(ctx, "desk.kind_person"), p.Name})
	}
	return out, nil
}

// settings are the town's own words and addresses, and how the ways out stand.
func (d *Desk) settings(w http.ResponseWriter, r *http.Request) error {
	t, err := d.o.Identity.Current(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, settingsPage(townForm(t), d.o.Channel.Ways(r.Context()), d.declared(r.Context())))
}

// diagnosis hands out the bundle for whoever helps from outside.
func (d *Desk) diagnosis(w http.ResponseWriter, r *http.Request) error {
	if d.o.Diagnose == nil {
		return fault.New(fault.NotFound, "web.not_found")
	}
	raw, err := d.o.Diagnose(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="tuermer-diagnose.zip"`)
	_, _ = w.Write(raw) // the reader may be gone
	return nil
}

func (d *Desk) apiDiagnosis(ctx context.Context, _ *struct{}) (*file, error) {
	if d.o.Diagnose == nil {
		return nil, fault.New(fault.NotFound, "web.not_found")
	}
	raw, err := d.o.Diagnose(ctx)
	return &file{"application/zip", raw}, err
}

func (d *Desk) declared(ctx context.Context) bool { return d.o.Declared != nil && d.o.Declared(ctx) }

func townForm(t identity.Tenant) *web.Form {
	return web.NewForm(map[string]string{
		"name": t.Name, "zone": t.Zone, "language": t.Language, "land": t.Land,
		"domains": strings.Join(t.Domains, "\n"), "networks": strings.Join(t.Networks, "\n"),
	})
}

func (d *Desk) saveTown(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	if d.declared(r.Context()) {
		return fault.New(fault.Conflict, "web.declared")
	}
	t, err := d.o.Identity.Current(r.Context())
	if err != nil {
		return err
	}
	t.Name, t.Zone, t.Language, t.Land = form.Get("name"), form.Get("zone"), form.Get("language"), form.Get("land")
	t.Domains, t.Networks = strings.Fields(form.Get("domains")), strings.Fields(form.Get("networks"))
	err = d.o.Identity.SaveTenant(r.Context(), t)
	if form.Take(err) {
		return web.RenderStatus(w, r, http.StatusUnprocessableEntity, settingsPage(form, d.o.Channel.Ways(r.Context()), d.declared(r.Context())))
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, "/settings")
}

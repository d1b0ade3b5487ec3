package desk

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/plan"
	"tuermer/internal/town/service"
)

// reading is one text to read aloud.
type reading struct {
	Text string
	At   time.Time // its Stand
	Next time.Time // zero: none was promised
	Late bool      // the promised time has passed
}

// phone is the page "Was sagen wir am Telefon?".
type phone struct {
	Town     string
	Now      time.Time
	Readings []reading
	// Silent are public incidents about which nothing has been published yet.
	Silent   int
	Ways     []service.Service // affected, with their Ersatzweg
	Contacts []plan.Contact
	NotSay   []string
	Offered  bool
	Link     bool // opened by a secret link
	// For whoever is signed in.
	Links  []plan.Link
	May    bool
	Secret string // of a link made just now
}

// phone gathers what the switchboard says. Only what anybody may read comes in:
// nothing of private incidents (I17), of exercises (I4), or of drafts.
func (d *Desk) phone(ctx context.Context) (v phone, err error) {
	v.Now = d.o.Clock.Now()
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return v, err
	}
	v.Town = town.Name
	incidents, err := d.o.Incident.List(system(ctx), incident.Filter{Current: true, Realm: incident.Live, Limit: 100})
	if err != nil {
		return v, err
	}
	catalogue, err := d.o.Service.List(ctx)
	if err != nil {
		return v, err
	}
	affected := map[string]bool{}
	for _, i := range incidents {
		if _, public := i.Public(); !public || i.Realm != incident.Live {
			continue
		}
		r, ok, err := d.reading(ctx, i, v.Now)
		if err != nil {
			return v, err
		}
		if !ok {
			if i.Phase.Active() && slices.ContainsFunc(catalogue, func(s service.Service) bool { return s.Public && slices.Contains(i.Services, s.Slug) }) {
				v.Silent++
			}
			continue
		}
		v.Readings = append(v.Readings, r)
		if i.Phase.Active() {
			for _, s := range service.Affected(catalogue, i.Services...) {
				affected[s.Slug] = true
			}
		}
	}
	for _, s := range catalogue {
		if s.Public && affected[s.Slug] {
			v.Ways = append(v.Ways, s)
		}
	}
	doc, _, err := d.o.Plan.Document(ctx)
	if err != nil {
		return v, err
	}
	offer, err := plan.Offered(string(i18n.Of(ctx).Lang))
	if err != nil {
		return v, err
	}
	full, taken := doc.Masked().Filled(offer)
	v.NotSay, v.Offered = full.Lists[plan.NotSay], !taken[plan.NotSay]
	v.Contacts = slices.DeleteFunc(slices.Clone(full.Contacts), func(c plan.Contact) bool { return c.Private || c.Phone == "" || c.Kind == plan.Supplier })
	return v, nil
}

// reading is the newest text about an incident that citizens may hear: the
// announcement where one is prepared, else the page's words.
func (d *Desk) reading(ctx context.Context, i incident.Incident, now time.Time) (r reading, ok bool, err error) {
	list, err := d.o.Publish.List(system(ctx), publish.Filter{Incident: i.ID, States: []publish.State{publish.StatePublished}, Limit: 200})
	if err != nil {
		return r, false, err
	}
	slices.SortFunc(list, func(a, b publish.Statement) int { return b.PublishedAt.Compare(a.PublishedAt) })
	lang := template.DE
	if i18n.Of(ctx).Lang == i18n.EN {
		lang = template.EN
	}
	for _, s := range list {
		vs, err := d.o.Publish.Variants(system(ctx), s.ID)
		if err != nil {
			return r, false, err
		}
		for _, f := range []template.Format{template.Phone, template.Page} {
			for _, l := range []template.Language{lang, template.DE} {
				at := slices.IndexFunc(vs, func(v publish.Variant) bool { return v.Kind == plan.Citizens && v.Format == f && v.Language == l })
				if at < 0 {
					continue
				}
				v := vs[at]
				return reading{Text: strings.TrimSpace(v.Body), At: v.AsOf, Next: v.Next, Late: !v.Next.IsZero() && now.After(v.Next) && i.Phase.Active()}, true, nil
			}
		}
	}
	return r, false, nil
}

func (d *Desk) pagePhone(w http.ResponseWriter, r *http.Request) error {
	v, err := d.phone(r.Context())
	if err != nil {
		return err
	}
	if v.May = plan.MayChange(r.Context()); v.May {
		if v.Links, err = d.o.Plan.Links(r.Context()); err != nil {
			return err
		}
	}
	return web.Render(w, r, phonePage(v))
}

// displayEvery is how often a display fetches its page again by itself.
const displayEvery = time.Minute

// display opens a page behind a secret link: no cookie, in no index, fresh by
// itself, and its address goes nowhere else.
func display(w http.ResponseWriter) {
	w.Header().Set("Refresh", strconv.Itoa(int(displayEvery.Seconds())))
	w.Header().Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Del("Set-Cookie")
}

func (d *Desk) pagePhoneLink(w http.ResponseWriter, r *http.Request) error {
	display(w)
	if _, err := d.o.Plan.OpenLink(r.Context(), plan.PhonePage, r.PathValue("token")); err != nil {
		return err
	}
	// Whoever opens it, signed in or not, sees what the display shows.
	v, err := d.phone(ident.WithActor(r.Context(), ident.Actor{Kind: ident.KindPublic}))
	if err != nil {
		return err
	}
	v.Link = true
	return web.Render(w, r, phonePage(v))
}

func (d *Desk) postLink(w http.ResponseWriter, r *http.Request) error {
	return d.madeLink(w, r, func(ctx context.Context, f *web.Form) (plan.Link, string, error) {
		return d.o.Plan.CreateLink(ctx, plan.Purpose(f.Get("purpose")), f.Get("name"))
	})
}

func (d *Desk) postRotateLink(w http.ResponseWriter, r *http.Request) error {
	return d.madeLink(w, r, func(ctx context.Context, _ *web.Form) (plan.Link, string, error) {
		return d.o.Plan.RotateLink(ctx, r.PathValue("id"))
	})
}

// madeLink shows the secret of a new link, this once.
func (d *Desk) madeLink(w http.ResponseWriter, r *http.Request, make func(context.Context, *web.Form) (plan.Link, string, error)) error {
	if !plan.MayChange(r.Context()) {
		return fault.New(fault.Forbidden, "plan.forbidden")
	}
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	l, secret, err := make(r.Context(), f)
	if err != nil {
		return err
	}
	address, err := d.linkAddress(r.Context(), l.Purpose, secret)
	if err != nil {
		return err
	}
	return web.Render(w, r, linkPage(l, address))
}

func (d *Desk) postRevokeLink(w http.ResponseWriter, r *http.Request) error {
	if err := d.o.Plan.RevokeLink(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, r, "/kit/phone")
}

// partner is one service that partners use.
type partner struct {
	Service service.Service
	State   web.State
	// Also are the other services of theirs that fail with it, by name.
	Also []string
}

// partners is what partners may see: the services that concern them, how they
// stand, what that does to working together, and what they were told (R1.17).
type partners struct {
	Town     string
	Now      time.Time
	Services []partner
	Told     []reading
	Contacts []plan.Contact // whom they call
}

func (d *Desk) pagePartnerLink(w http.ResponseWriter, r *http.Request) error {
	display(w)
	ctx := r.Context()
	if _, err := d.o.Plan.OpenLink(ctx, plan.PartnerPage, r.PathValue("token")); err != nil {
		return err
	}
	v, err := d.partners(ctx)
	if err != nil {
		return err
	}
	return web.Render(w, r, partnersPage(v))
}

func (d *Desk) partners(ctx context.Context) (v partners, err error) {
	v.Now = d.o.Clock.Now()
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return v, err
	}
	v.Town = town.Name
	audiences, err := d.o.Plan.Audiences(ctx)
	if err != nil {
		return v, err
	}
	mine := func(slug string) bool {
		return slices.ContainsFunc(audiences, func(a plan.Audience) bool { return a.Slug == slug && a.Kind == plan.Partners })
	}
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
	// What a private incident concerns is not told by a colour either (I17).
	hidden := map[string]bool{}
	for _, i := range incidents {
		if i.Private {
			for _, slug := range i.Services {
				hidden[slug] = true
			}
		}
	}
	for _, s := range catalogue {
		if !slices.ContainsFunc(s.Audiences, mine) {
			continue
		}
		state, ok := states[s.Slug]
		if !ok || hidden[s.Slug] {
			state = web.Unknown
		}
		v.Services = append(v.Services, partner{Service: s, State: state})
	}
	v.Services = alsoHit(catalogue, v.Services)
	doc, _, err := d.o.Plan.Document(ctx)
	if err != nil {
		return v, err
	}
	v.Contacts = slices.DeleteFunc(doc.Masked().Of(plan.Inside), func(c plan.Contact) bool { return c.Private || c.Phone == "" })
	for _, i := range incidents {
		if i.Private || i.Realm != incident.Live {
			continue
		}
		told, ok, err := d.toldPartners(ctx, i, mine)
		if err != nil {
			return v, err
		}
		if ok {
			v.Told = append(v.Told, told)
		}
	}
	return v, nil
}

// broken reports whether a service is known not to work as it should.
func (p partner) broken() bool {
	return p.State == web.Down || p.State == web.Degraded || p.State == web.Maintenance
}

// alsoHit names with each broken service those that build on it, as far as
// partners see them: of anything else nothing is told (I17).
func alsoHit(catalogue []service.Service, all []partner) []partner {
	shown := func(slug string) bool {
		return slices.ContainsFunc(all, func(p partner) bool { return p.Service.Slug == slug && p.State != web.Unknown })
	}
	for n, p := range all {
		if !p.broken() {
			continue
		}
		for _, s := range service.Affected(catalogue, p.Service.Slug) {
			if s.Slug != p.Service.Slug && shown(s.Slug) {
				all[n].Also = append(all[n].Also, s.Name)
			}
		}
	}
	return all
}

// toldPartners is the newest text about an incident that went to partners.
func (d *Desk) toldPartners(ctx context.Context, i incident.Incident, mine func(string) bool) (reading, bool, error) {
	list, err := d.o.Publish.List(system(ctx), publish.Filter{Incident: i.ID, States: []publish.State{publish.StatePublished}, Limit: 200})
	if err != nil {
		return reading{}, false, err
	}
	slices.SortFunc(list, func(a, b publish.Statement) int { return b.PublishedAt.Compare(a.PublishedAt) })
	for _, s := range list {
		vs, err := d.o.Publish.Variants(system(ctx), s.ID)
		if err != nil {
			return reading{}, false, err
		}
		at := slices.IndexFunc(vs, func(v publish.Variant) bool { return mine(v.Audience) && v.Language == template.DE })
		if at >= 0 {
			return reading{Text: strings.TrimSpace(vs[at].Body), At: vs[at].AsOf, Next: vs[at].Next}, true, nil
		}
	}
	return reading{}, false, nil
}

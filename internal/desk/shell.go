package desk

import (
	"context"
	"net/http"
	"slices"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/identity"
)

// nav is the main menu; icons are the path data of 24×24 outlines.
var nav = []web.NavItem{
	{ID: "overview", Href: "/", Key: "g l", Icon: "M4 20V9l8-5 8 5v11M9 20v-6h6v6"},
	{ID: "incident", Href: "/incident", Key: "g v", Icon: "M12 4 21 20H3ZM12 10v4M12 17v.5"},
	{ID: "publish", Href: "/publish", Key: "n", Icon: "M4 5h16v11H9l-5 4Z"},
	{ID: "editorial", Href: "/editorial", Wide: true, Icon: "M5 5h14v14H5ZM5 9h14M9 3v4M15 3v4M8 13h4"},
	{ID: "exercise", Href: "/exercise", Wide: true, Icon: "M12 3v18M4 7h16M7 7v6a5 5 0 0 0 10 0V7"},
	{ID: "review", Href: "/review", Wide: true, Icon: "M4 12a8 8 0 1 0 3-6M4 4v4h4M12 8v4l3 2"},
	{ID: "monitor", Href: "/monitor", Key: "g p", Icon: "M3 12h4l3-7 4 14 3-7h4"},
	{ID: "service", Href: "/service", Key: "g d", Wide: true, Icon: "M4 5h16v5H4ZM4 14h16v5H4ZM7 7.5h.5M7 16.5h.5"},
	{ID: "roster", Href: "/roster", Key: "g b", Wide: true, Icon: "M4 6h16v14H4ZM4 10h16M8 3v4M16 3v4M8 14h3M13 14h3M8 17h3"},
	{ID: "plan", Href: "/kit", Wide: true, Icon: "M5 4h14v16H5ZM8 8h8M8 12h8M8 16h5"},
	{ID: "people", Href: "/identity/people", Wide: true, Icon: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM3 20c0-4 3-6 6-6s6 2 6 6M16 5a3 3 0 0 1 0 6M18 14c2 1 3 3 3 6"},
	{ID: "chain", Href: "/chain", Wide: true, Icon: "M6 20v-4h5v-4h5V8h4M4 20h4M17 5l3 3-3 3"},
	{ID: "channel", Href: "/channel/outbox", Key: "g o", Wide: true, Icon: "M4 13v6h16v-6M12 15V4M8 8l4-4 4 4"},
	{ID: "settings", Href: "/settings", Wide: true, Icon: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4"},
	{ID: "more", Href: "/more", More: true, Icon: "M5 12h.5M12 12h.5M19 12h.5"},
}

// Shell is the frame of every page of the console. What cannot be read right
// now is left out: a page must come even on a bad day.
func (d *Desk) Shell(r *http.Request) web.Shell {
	ctx := r.Context()
	s := web.Shell{Version: d.o.Version, Nav: d.nav(ctx)}
	if slices.ContainsFunc(s.Nav, func(n web.NavItem) bool { return n.Count > 0 }) {
		s.Sign = "▲"
	}
	if d.o.Notes != nil {
		s.Notes = d.o.Notes(ctx)
	}
	if t, err := d.o.Identity.Current(ctx); err == nil {
		s.Town = t.Name
	}
	if p, ok := identity.Me(ctx); ok {
		s.Person = p.Name
		s.Roles = identity.RoleNames(ctx, p)
	}
	if next, err := d.due(ctx); err == nil && len(next) > 0 {
		s.Due = &web.Due{
			At: next[0].Due, What: i18n.T(ctx, "desk.update_to", next[0].AudienceName),
			Href: incidentHref(next[0].Incident), Act: i18n.T(ctx, "desk.due_act"),
		}
	}
	return s
}

func (d *Desk) nav(ctx context.Context) []web.NavItem {
	if ident.ActorOf(ctx).Kind == ident.KindPublic {
		return nil
	}
	items := make([]web.NavItem, len(nav))
	for i, n := range nav {
		n.Text = i18n.T(ctx, "desk.nav_"+n.ID)
		switch n.ID {
		case "overview":
			if open, err := d.o.Alert.List(ctx, alert.Filter{State: alert.StateOpen, Awake: true, Limit: 100}); err == nil {
				n.Count = len(open)
			}
		case "incident":
			if active, err := d.o.Incident.List(ctx, incident.Filter{Active: true, Limit: 100}); err == nil {
				n.Count = len(active)
			}
		}
		items[i] = n
	}
	return items
}

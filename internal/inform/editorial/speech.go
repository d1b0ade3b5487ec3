package editorial

import (
	"context"
	"slices"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/staff"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// ErrStaffSpeaks says that in this crisis somebody else lets posts go.
var ErrStaffSpeaks = fault.New(fault.Forbidden, "editorial.staff_speaks")

// mayLetGo tells whether the actor may release a held post, and by which function.
// While a crisis lasts that is whoever holds press and media in its staff or leads
// it; with nobody there but the author, an approver or admin. Never the author.
func (r *Room) mayLetGo(ctx context.Context, p Post, crisis incident.ID) (plan.StaffFunction, error) {
	a := ident.ActorOf(ctx)
	if !mayWrite(ctx) {
		return "", ErrForbidden
	}
	var able []staff.Speaker
	if crisis != "" && r.o.Staff != nil {
		all, err := r.o.Staff.Speakers(ctx, crisis)
		if err != nil {
			return "", err
		}
		able = slices.DeleteFunc(all, func(s staff.Speaker) bool { return string(s.Person) == p.Author.Person })
	}
	i := slices.IndexFunc(able, func(s staff.Speaker) bool { return string(s.Person) == a.Person && a.Person != "" })
	switch {
	case i < 0 && !mayRelease(ctx) && (crisis == "" || len(able) > 0 || !a.Has(string(identity.RoleAdmin))):
		return "", ErrForbidden
	case same(p.Author, a):
		return "", ErrSelf
	case i >= 0:
		return able[i].Function, nil
	case len(able) > 0:
		return "", ErrStaffSpeaks
	}
	return "", nil
}

// journal names in the journal of the crisis who let a post go, and as what.
func (r *Room) journal(ctx context.Context, p Post, crisis incident.ID, f plan.StaffFunction) error {
	if crisis == "" || r.o.Locale == nil {
		return nil
	}
	l, name := r.o.Locale(ctx), ident.ActorOf(ctx).Name
	text := l.Catalog.Text(l.Lang, "editorial.journal_no_function", short(p.Text), name)
	if f != "" {
		text = l.Catalog.Text(l.Lang, "editorial.journal_function", short(p.Text), name, l.Catalog.Text(l.Lang, "plan.function."+string(f)))
	}
	return r.o.Incidents.Record(ctx, crisis, "editorial.post", text, string(p.ID))
}

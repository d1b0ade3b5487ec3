package staff

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// Subscribe makes the room hear of crises that begin.
func (r *Room) Subscribe(b *bus.Bus) {
	bus.On(b, incident.LevelChanged, "staff.crisis_raised", func(ctx context.Context, e bus.Event[incident.LevelChange]) error {
		if e.Data.To != incident.Crisis {
			return nil
		}
		return r.call(ctx, e.Data.ID, e.At)
	})
	bus.On(b, incident.Opened, "staff.crisis_opened", func(ctx context.Context, e bus.Event[incident.Happened]) error {
		i, err := r.o.Incidents.Get(ctx, e.Data.ID)
		if err != nil || i.Level != incident.Crisis {
			return err
		}
		return r.call(ctx, e.Data.ID, e.At)
	})
}

// call writes to whoever the plan means for a function that the staff comes
// together. Nobody is put into a function by it.
func (r *Room) call(ctx context.Context, in incident.ID, at time.Time) error {
	if r.o.Outbox == nil {
		return nil
	}
	i, err := r.o.Incidents.Get(ctx, in)
	if err != nil {
		return err
	}
	d, _, err := r.o.Plan.Document(ctx)
	if err != nil {
		return err
	}
	town, err := r.o.People.Current(ctx)
	if err != nil {
		return err
	}
	home, err := r.home(ctx, r.o.Clock.Now())
	if err != nil {
		return err
	}
	everybody, err := r.o.People.People(ctx, identity.Filter{})
	if err != nil {
		return err
	}
	for _, f := range d.Board.Functions() {
		duty := d.Board.Duty(f)
		for _, one := range []struct{ mail, key string }{{duty.Person, "staff.letter"}, {duty.Deputy, "staff.letter_deputy"}} {
			if one.mail == "" {
				continue
			}
			if err := r.write(ctx, i, f, one.mail, one.key, at, home, town, everybody); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Room) write(ctx context.Context, i incident.Incident, f plan.StaffFunction, mail, key string, at time.Time, home i18n.Locale, town identity.Tenant, everybody []identity.Person) error {
	to, name, l := []string{mail}, "", home
	for _, p := range everybody {
		if !strings.EqualFold(p.Email, mail) {
			continue
		}
		if p.Blocked {
			return nil
		}
		to, name, l.Lang = p.Addresses(), p.Name, i18n.Parse(p.Language)
	}
	word := func(key string, args ...any) string { return l.Catalog.Text(l.Lang, key, args...) }
	subject := word("staff.letter_subject", i.Title)
	if i.Realm == incident.Exercise {
		subject = word("staff.letter_exercise", subject)
	}
	text := word(key, name, i.Title, word("plan.function."+string(f)), strings.TrimRight(town.StaffURL, "/")+href(i.ID))
	for n, address := range to {
		err := r.o.Outbox.Send(ctx, channel.Message{
			ID: fmt.Sprintf("staff-%s-%s-%s-%d-%d", i.ID, f, key, at.Unix(), n), Kind: channel.Mail, Class: channel.Single,
			Realm: channel.Realm(i.Realm), To: address, ToName: name, Subject: subject, Text: text, Language: string(l.Lang),
			Automatic: true, Thread: "incident-" + string(i.ID),
		})
		if err != nil && fault.KindOf(err) != fault.Conflict {
			return err
		}
	}
	return nil
}

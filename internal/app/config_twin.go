package app

import (
	"cmp"
	"context"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/publish"
	"tuermer/internal/inform/twin"
	"tuermer/internal/platform/ident"
)

// TwinConfig says where copies of the public page go, so that it stays readable
// when the town's own systems are gone.
type TwinConfig struct {
	Every      time.Duration
	Valid      time.Duration
	AlarmAfter time.Duration
	Targets    []TwinTarget
}

// TwinTarget is one host outside.
type TwinTarget struct {
	PlaceConfig
	View   string // where people read it
	Apache string // time zone of an Apache host
}

func (r *configReader) twin(c *TwinConfig) setter {
	return r.object(0,
		field{"every", scalar(r, &c.Every, parseSpan(time.Minute, time.Hour))},
		field{"valid", scalar(r, &c.Valid, parseSpan(2*time.Minute, 24*time.Hour))},
		field{"alarm_after", scalar(r, &c.AlarmAfter, parseSpan(time.Minute, 24*time.Hour))},
		field{"targets", listOf(r, &c.Targets, r.twinTarget)},
	)
}

func (r *configReader) twinTarget(t *TwinTarget) setter {
	return r.object(2, append(r.placeFields(&t.PlaceConfig),
		field{"view", scalar(r, &t.View, optional(parseWeb))},
		field{"apache", scalar(r, &t.Apache, parseTimezone)},
	)...)
}

// parseSpan takes a duration between two others.
func parseSpan(lowest, highest time.Duration) func(string) (time.Duration, *complaint) {
	return func(s string) (time.Duration, *complaint) {
		d, err := time.ParseDuration(s)
		if err != nil || d < lowest || d > highest {
			return 0, sorry("config.duration", shorten(s), brief(lowest), brief(highest))
		}
		return d, nil
	}
}

// checkTwin looks at what belongs together.
func (r *configReader) checkTwin(c *TwinConfig) {
	r.checkPlaces("twin.targets", len(c.Targets), func(i int) *PlaceConfig { return &c.Targets[i].PlaceConfig })
	if c.Valid != 0 && c.Valid < 2*cmp.Or(c.Every, twin.DefaultEvery) {
		r.refuse(r.at["twin.valid"], "twin.valid", "config.twin_short", brief(cmp.Or(c.Every, twin.DefaultEvery)))
	}
}

// twinSecrets reads the files that open the hosts.
func (r *configReader) twinSecrets(folder string, c *TwinConfig) {
	r.placeSecrets(folder, "twin.targets", len(c.Targets), func(i int) *PlaceConfig { return &c.Targets[i].PlaceConfig })
}

// twinSettings are where the copies of the town in ctx go.
func (a *App) twinSettings(ctx context.Context) twin.Settings {
	c := a.configOf(ctx)
	if c == nil {
		return twin.Settings{}
	}
	return c.Twin.settings()
}

func (c TwinConfig) settings() twin.Settings {
	s := twin.Settings{Every: c.Every, Valid: c.Valid, AlarmAfter: c.AlarmAfter}
	for _, t := range c.Targets {
		p := t.place()
		s.Targets = append(s.Targets, twin.Target{
			Name: t.Name, Kind: p.Kind, Address: p.Address, View: t.View, Username: p.Username, Password: p.Password,
			PrivateKey: p.PrivateKey, HostKey: p.HostKey, CA: p.CA, Apache: t.Apache,
		})
	}
	return s
}

// twinKey is the secret behind the key that signs a town's copies.
func (a *App) twinKey(t ident.Tenant) []byte { return a.vault.Key("twin.manifest/" + string(t)) }

// copyIsRead tells whether citizens of the town in ctx need its copy now: an
// incident that is not closed has been told to them, or is a crisis. Exercises
// count for nothing.
func (a *App) copyIsRead(ctx context.Context) (bool, error) {
	open, err := a.incident.List(ctx, incident.Filter{Current: true, Realm: incident.Live, Limit: 1000})
	if err != nil {
		return false, err
	}
	for _, i := range open {
		if i.Level == incident.Crisis {
			return true, nil
		}
	}
	for _, i := range open {
		said, err := a.publish.List(ctx, publish.Filter{Incident: i.ID, States: []publish.State{publish.StatePublished}, Limit: 1})
		if err != nil || len(said) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

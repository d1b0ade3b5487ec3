package app

import (
	"cmp"
	"context"
	"time"

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

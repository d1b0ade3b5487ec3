package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"tuermer/internal/inform/twin"
	"tuermer/internal/platform/depot"
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
	Name         string
	URL          string // sftp://…, https://…, or a folder
	View         string // where people read it
	Username     string
	PasswordFile string
	KeyFile      string // SSH key
	HostKey      string
	CAFile       string
	Apache       string // time zone of an Apache host
	Password     Secret
	Key          Secret
	CA           string
}

func (t TwinTarget) kind() twin.Kind {
	switch scheme, _, _ := strings.Cut(t.URL, "://"); scheme {
	case "sftp":
		return twin.SFTP
	case "https", "http":
		return twin.WebDAV
	default:
		return twin.Directory
	}
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
	return r.object(2,
		field{"name", scalar(r, &t.Name, parseLine)},
		field{"url", scalar(r, &t.URL, parsePlace)},
		field{"view", scalar(r, &t.View, optional(parseWeb))},
		field{"username", scalar(r, &t.Username, optional(parseLine))},
		field{"password_file", scalar(r, &t.PasswordFile, optional(parseLine))},
		field{"key_file", scalar(r, &t.KeyFile, optional(parseLine))},
		field{"host_key", scalar(r, &t.HostKey, parsePin)},
		field{"ca_file", scalar(r, &t.CAFile, optional(parseLine))},
		field{"apache", scalar(r, &t.Apache, parseTimezone)},
	)
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

// parsePlace takes what a copy can be carried to. Passwords stand in files, and
// travel without TLS only within this machine.
func parsePlace(s string) (string, *complaint) {
	if filepath.IsAbs(s) && filepath.Clean(s) != "/" {
		return s, nil
	}
	u, ok := webURL(s, "sftp", "https", "http")
	if !ok || u.RawQuery != "" || u.Fragment != "" {
		return "", sorry("config.place", shorten(s))
	}
	if _, has := u.User.Password(); has {
		return "", sorry("config.place_password")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && (err != nil || !ip.IsLoopback()) {
		return "", sorry("config.place_plain", shorten(s))
	}
	return s, nil
}

func parsePin(s string) (string, *complaint) {
	if !depot.ValidPin(s) {
		return "", sorry("config.pin", shorten(s))
	}
	return s, nil
}

// checkTwin looks at what belongs together.
func (r *configReader) checkTwin(c *TwinConfig) {
	seen := map[string]bool{}
	for i, t := range c.Targets {
		key := fmt.Sprintf("twin.targets[%d]", i)
		if seen[t.Name] {
			r.refuse(r.at[key+".name"], key+".name", "config.twin_twice", t.Name)
		}
		seen[t.Name] = true
		if t.kind() == twin.SFTP && t.HostKey == "" {
			r.refuse(r.at[key+".url"], key+".host_key", "config.twin_pin")
		}
		if u, err := url.Parse(t.URL); t.kind() == twin.SFTP && t.Username == "" && (err != nil || u.User.Username() == "") {
			r.refuse(r.at[key+".url"], key+".username", "config.twin_user")
		}
	}
	if c.Valid != 0 && c.Valid < 2*cmp.Or(c.Every, twin.DefaultEvery) {
		r.refuse(r.at["twin.valid"], "twin.valid", "config.twin_short", brief(cmp.Or(c.Every, twin.DefaultEvery)))
	}
}

// twinSecrets reads the files that open the hosts.
func (r *configReader) twinSecrets(folder string, c *TwinConfig) {
	for i := range c.Targets {
		t := &c.Targets[i]
		key := fmt.Sprintf("twin.targets[%d]", i)
		r.secret(folder, t.PasswordFile, key+".password_file", &t.Password)
		t.Key = Secret(r.wholeFile(folder, t.KeyFile, key+".key_file"))
		t.CA = r.wholeFile(folder, t.CAFile, key+".ca_file")
	}
}

// wholeFile reads a file of several lines, such as a key in PEM form.
func (r *configReader) wholeFile(folder, file, path string) string {
	if file == "" {
		return ""
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(folder, file)
	}
	data, err := readBounded(file, maxConfig)
	switch {
	case errors.Is(err, errTooLong):
		r.refuse(r.at[path], path, "config.secret_long", file, maxConfig)
	case err != nil:
		r.refuse(r.at[path], path, "config.secret_unreadable", file, plainError(err))
	}
	return string(data)
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
		s.Targets = append(s.Targets, twin.Target{
			Name: t.Name, Kind: t.kind(), Address: t.URL, View: t.View, Username: t.Username, Password: t.Password.Reveal(),
			PrivateKey: []byte(t.Key.Reveal()), HostKey: t.HostKey, CA: []byte(t.CA), Apache: t.Apache,
		})
	}
	return s
}

// twinKey is the secret behind the key that signs a town's copies.
func (a *App) twinKey(t ident.Tenant) []byte { return a.vault.Key("twin.manifest/" + string(t)) }

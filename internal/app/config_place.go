package app

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"tuermer/internal/platform/depot"
)

// PlaceConfig is one host outside, or a folder, to which we carry files.
type PlaceConfig struct {
	Name         string
	URL          string // sftp://…, https://…, or a folder
	Username     string
	PasswordFile string
	KeyFile      string // SSH key
	HostKey      string
	CAFile       string
	Password     Secret
	Key          Secret
	CA           string
}

func (p PlaceConfig) kind() depot.Kind {
	switch scheme, _, _ := strings.Cut(p.URL, "://"); scheme {
	case "sftp":
		return depot.SFTP
	case "https", "http":
		return depot.WebDAV
	default:
		return depot.Directory
	}
}

// place is what the depot needs of it.
func (p PlaceConfig) place() depot.Place {
	return depot.Place{
		Kind: p.kind(), Address: p.URL, Username: p.Username, Password: p.Password.Reveal(),
		PrivateKey: []byte(p.Key.Reveal()), HostKey: p.HostKey, CA: []byte(p.CA),
	}
}

// placeFields are the keys of a place, of which the first two are needed.
func (r *configReader) placeFields(p *PlaceConfig) []field {
	return []field{
		{"name", scalar(r, &p.Name, parseLine)},
		{"url", scalar(r, &p.URL, parsePlace)},
		{"username", scalar(r, &p.Username, optional(parseLine))},
		{"password_file", scalar(r, &p.PasswordFile, optional(parseLine))},
		{"key_file", scalar(r, &p.KeyFile, optional(parseLine))},
		{"host_key", scalar(r, &p.HostKey, parsePin)},
		{"ca_file", scalar(r, &p.CAFile, optional(parseLine))},
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

// checkPlaces looks at what belongs together in a list of places.
func (r *configReader) checkPlaces(list string, n int, at func(i int) *PlaceConfig) {
	seen := map[string]bool{}
	for i := range n {
		p, key := at(i), fmt.Sprintf("%s[%d]", list, i)
		if seen[p.Name] {
			r.refuse(r.at[key+".name"], key+".name", "config.twin_twice", p.Name)
		}
		seen[p.Name] = true
		if p.kind() == depot.SFTP && p.HostKey == "" {
			r.refuse(r.at[key+".url"], key+".host_key", "config.twin_pin")
		}
		if u, err := url.Parse(p.URL); p.kind() == depot.SFTP && p.Username == "" && (err != nil || u.User.Username() == "") {
			r.refuse(r.at[key+".url"], key+".username", "config.twin_user")
		}
	}
}

// placeSecrets reads the files that open the places of a list.
func (r *configReader) placeSecrets(folder, list string, n int, at func(i int) *PlaceConfig) {
	for i := range n {
		p, key := at(i), fmt.Sprintf("%s[%d]", list, i)
		r.secret(folder, p.PasswordFile, key+".password_file", &p.Password)
		p.Key = Secret(r.wholeFile(folder, p.KeyFile, key+".key_file"))
		p.CA = r.wholeFile(folder, p.CAFile, key+".ca_file")
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
	r.opened = append(r.opened, file)
	data, err := readBounded(file, maxConfig)
	switch {
	case errors.Is(err, errTooLong):
		r.refuse(r.at[path], path, "config.secret_long", file, maxConfig)
	case err != nil:
		r.refuse(r.at[path], path, "config.secret_unreadable", file, plainError(err))
	}
	return string(data)
}

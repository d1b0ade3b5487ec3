package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"

	"tuermer/internal/app"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/vault"
)

// disk: Platte verrät "Worte" … | verrät nicht "Worte" …. Somebody carries the
// disk away and looks through every file in it, but for the key, which is kept
// elsewhere.
func (s *stage) disk(args []string) error {
	if args[0] != "verrät" || len(args) < 2 {
		return errors.New("erwartet wird: verrät \"Worte\" oder verrät nicht \"Worte\"")
	}
	words, not := args[1:], args[1] == "nicht"
	if not {
		words = words[1:]
	}
	synctest.Wait()
	seen := map[string]string{}
	err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == vault.KeyFile {
			return err
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		raw = bytes.ToLower(raw)
		for _, w := range words {
			if at := bytes.Index(raw, []byte(strings.ToLower(w))); at >= 0 {
				seen[w] = fmt.Sprintf("%s: %q", e.Name(), raw[max(0, at-80):min(len(raw), at+80)])
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, w := range words {
		if file := seen[w]; not == (file != "") {
			return fmt.Errorf("„%s“: auf der Platte %s", w, file)
		}
	}
	return nil
}

// key: Schlüssel fehlt "Worte" | ist ein anderer "Worte" | liegt wieder da. The
// program is started anew and refuses with these words.
func (s *stage) key(args []string) error {
	path, kept := filepath.Join(s.dir, vault.KeyFile), filepath.Join(s.dir, "..", filepath.Base(s.dir)+".key")
	if err := s.stopApp(); err != nil {
		return err
	}
	if strings.Join(args, " ") == "liegt wieder da" {
		return errors.Join(os.Rename(kept, path), s.startApp())
	}
	if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path, kept); err != nil {
			return err
		}
	}
	words := args[1:]
	if args[0] == "ist" {
		words = args[3:]
		if err := os.WriteFile(path, []byte(strings.Repeat("cd", 32)+"\n"), 0o600); err != nil {
			return err
		}
	}
	settings := app.NewSettings(app.Settings{Data: s.dir, Lang: i18n.DE, Log: s.log, Staff: staffHost, Public: publicHost}, s.config)
	settings.Data, settings.Database = s.dir, s.database
	err := app.Commands{}.Migrate(s.t.Context(), settings)
	if err == nil {
		return errors.New("Türmer ist trotzdem gestartet")
	}
	said := err.Error()
	if w, ok := errors.AsType[interface {
		error
		In(l i18n.Lang) string
	}](err); ok {
		said = w.In(i18n.DE)
	}
	for _, w := range words {
		if !contains(said, w) {
			return fmt.Errorf("„%s“ kommt nicht vor in:\n%s", w, said)
		}
	}
	if _, err := os.Stat(path); args[0] == "fehlt" && !errors.Is(err, fs.ErrNotExist) {
		return errors.New("es wurde ein neuer Schlüssel angelegt")
	}
	return nil
}

// stranger: Fremder öffnet /pfad 404 "Worte" … | sendet /pfad "a=b" 403 "Worte" …,
// as whoever was named last by Person, or as nobody. What stands before it:
// "meldet /pfad {'a':'b'} 202" sends JSON, as a program does.
// "unter anderswo.example" asks for another host, "aus 203.0.113.7" has that address, "von boese.example" comes from
// a page elsewhere, "mit Schlüssel x" bears a key for the API. Words are looked
// for in the answer and in the address to which it leads; nicht turns the rest
// around.
func (s *stage) stranger(args []string) error {
	host, origin, token, from := staffHost, "", "", ""
	for len(args) > 2 && slices.Contains([]string{"unter", "von", "mit", "aus"}, args[0]) {
		switch args[0] {
		case "unter":
			host = args[1] + ":80"
		case "von":
			origin = "http://" + args[1]
		case "aus":
			from = args[1]
		case "mit":
			token, args = args[2], args[1:]
		}
		args = args[2:]
	}
	method, body, kind := http.MethodGet, "", "application/x-www-form-urlencoded"
	switch {
	case len(args) >= 3 && args[0] == "öffnet":
	case len(args) >= 4 && args[0] == "sendet":
		method, body = http.MethodPost, args[2]
		args = append(slices.Clone(args[:2]), args[3:]...)
	case len(args) >= 4 && args[0] == "meldet":
		method, body, kind = http.MethodPost, strings.ReplaceAll(args[2], "'", `"`), "application/json"
		args = append(slices.Clone(args[:2]), args[3:]...)
	default:
		return errors.New("erwartet wird: öffnet /pfad 404 oder sendet /pfad \"feld=wert\" 403")
	}
	want, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("„%s“ ist keine Antwort wie 404", args[2])
	}
	at := staffHost
	if strings.HasPrefix(host, "status.") {
		at = publicHost
	}
	r := newReader(s.net)
	if s.now != nil && token == "" {
		r.client.Jar = s.now.client.Jar
	}
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequest(method, "http://"+at, strings.NewReader(body))
	if err != nil {
		return err
	}
	// The path goes out as it was written: nobody tidies up what a stranger asks.
	req.URL.Opaque, req.Host = "//"+strings.TrimSuffix(at, ":80")+args[1], strings.TrimSuffix(host, ":80")
	if body != "" {
		req.Header.Set("Content-Type", kind)
	}
	if from != "" {
		req = req.WithContext(context.WithValue(req.Context(), dialsFrom{}, net.ParseIP(from)))
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		return err
	}
	said := res.Header.Get("Location") + "\n" + text.String()
	if res.StatusCode != want {
		return fmt.Errorf("die Antwort ist %d, nicht %d: %.300s", res.StatusCode, want, said)
	}
	not := false
	for _, w := range args[3:] {
		if w == "nicht" {
			not = true
			continue
		}
		if strings.Contains(strings.ToLower(said), strings.ToLower(w)) == not {
			return fmt.Errorf("„%s“ in der Antwort: %v, in: %.600s", w, !not, said)
		}
	}
	return nil
}

package twin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"tuermer/internal/platform/ident"
)

// folder is where a town's copy and what is known of its hosts lie:
//
//	DATA/twin/TENANT/site/…      the copy that goes out, signed
//	DATA/twin/TENANT/hosts.json  what lies where
func (r *Room) folder(id ident.Tenant) string {
	if r.o.Dir == "" {
		return ""
	}
	return Folder(r.o.Dir, id)
}

// Folder is a town's folder below the data folder.
func Folder(dir string, id ident.Tenant) string {
	return filepath.Join(dir, "twin", url.QueryEscape(string(id)))
}

// keep puts the copy on our own disk, in the manner of every other target.
func (r *Room) keep(ctx context.Context, id ident.Tenant, b built, had map[string]string) (map[string]string, error) {
	dir := r.folder(id)
	if dir == "" {
		return nil, nil
	}
	site := filepath.Join(dir, "site")
	if err := os.MkdirAll(site, 0o700); err != nil {
		return nil, fmt.Errorf("twin: %w", err)
	}
	s, err := (Target{Kind: Directory, Address: site}).open(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if had == nil {
		had = laidDown(site)
	}
	if _, err := deliver(ctx, s, b.files, had); err != nil {
		return nil, err
	}
	lies := make(map[string]string, len(b.files))
	for _, f := range b.files {
		lies[f.Path] = digest(f.Body)
	}
	return lies, nil
}

// laidDown lists the files of a folder, whatever is in them.
func laidDown(dir string) map[string]string {
	out := map[string]string{}
	// What cannot be listed stays; nobody reads it without the manifest.
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if rel, err := filepath.Rel(dir, path); err == nil {
				out[filepath.ToSlash(rel)] = ""
			}
		}
		return nil
	})
	return out
}

type hosts struct {
	Version int
	Places  map[string]*place
}

// save writes down what lies where; mu is held.
func (r *Room) save(id ident.Tenant, t *town) error {
	dir := r.folder(id)
	if dir == "" {
		return nil
	}
	raw, err := json.Marshal(hosts{1, t.places})
	if err != nil {
		return fmt.Errorf("twin: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("twin: %w", err)
	}
	name := filepath.Join(dir, "hosts.json")
	if err := os.WriteFile(name+".tmp", raw, 0o600); err != nil {
		return fmt.Errorf("twin: %w", err)
	}
	return os.Rename(name+".tmp", name)
}

// load reads it again at the start.
func (r *Room) load(id ident.Tenant, t *town) error {
	dir := r.folder(id)
	if dir == "" {
		return nil
	}
	raw, err := os.ReadFile(filepath.Join(dir, "hosts.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var h hosts
	if err := json.Unmarshal(raw, &h); err != nil || h.Version != 1 {
		return fmt.Errorf("twin: hosts.json is not understood: %w", err)
	}
	for name, p := range h.Places {
		if p != nil {
			t.places[name] = p
		}
	}
	return nil
}

func encodeKey(k []byte) string { return base64.StdEncoding.EncodeToString(k) }

// PushKept carries the copy that lies on our disk to the targets, as it is:
// without a database, without the page, with nothing but the configuration.
func PushKept(ctx context.Context, dir string, id ident.Tenant, targets []Target, dial Dial, say func(Target, int, error)) error {
	site := filepath.Join(Folder(dir, id), "site")
	raw, err := os.ReadFile(filepath.Join(site, ManifestName))
	if err != nil {
		return fmt.Errorf("twin: %w", err)
	}
	m, _, err := readManifest(raw, nil)
	if err != nil {
		return err
	}
	b := built{asOf: m.AsOf, until: m.ValidUntil}
	for _, e := range m.Files {
		body, err := os.ReadFile(filepath.Join(site, filepath.FromSlash(e.Path)))
		if err != nil {
			return fmt.Errorf("twin: %w", err)
		}
		if digest(body) != e.SHA256 {
			return fmt.Errorf("twin: %s on our own disk is not what was signed", e.Path)
		}
		b.files = append(b.files, File{Path: e.Path, Body: body})
	}
	b.files = order(b.files, raw)
	r := &Room{o: Options{Dial: dial}}
	var errs []error
	for _, t := range targets {
		sent, _, err := r.carry(ctx, t, b, nil)
		say(t, sent, err)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

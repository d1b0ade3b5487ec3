package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing/synctest"
	"time"

	"tuermer/internal/app"
	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/replica"
)

// copyPlaces gives a scenario that says {draussen} a folder outside, and a key of
// the operator for {schlüssel}.
func (s *stage) copyPlaces(yaml []byte) ([]byte, error) {
	if !bytes.Contains(yaml, []byte("{draussen}")) {
		return yaml, nil
	}
	var err error
	if s.outside, err = s.folder(); err != nil {
		return nil, err
	}
	public, err := backup.NewKey(s.keyFile())
	if err != nil {
		return nil, err
	}
	yaml = bytes.ReplaceAll(yaml, []byte("{draussen}"), []byte(filepath.Join(s.outside, "kopie")))
	return bytes.ReplaceAll(yaml, []byte("{schlüssel}"), []byte(public)), os.Mkdir(filepath.Join(s.outside, "kopie"), 0o700)
}

func (s *stage) keyFile() string { return filepath.Join(s.outside, "schluessel") }

// folder is another one of this scenario.
func (s *stage) folder() (string, error) {
	dir, err := os.MkdirTemp(shm(), "tuermer")
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir, err
}

// copyAway: Kopie vollständig | Kopie verrät nicht "Worte" ….
func (s *stage) copyAway(args []string) error {
	switch {
	case args[0] == "vollständig":
		now := time.Now()
		for range 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			for _, p := range replica.ReadStatus(filepath.Join(s.dir, "replica"), replica.Settings{Places: []replica.Place{{Name: "draussen"}}}, time.Now()) {
				if p.Through.After(now) {
					return nil
				}
			}
		}
		return errors.New("die Kopie ist nach einer Minute nicht vollständig")
	case len(args) > 2 && args[0] == "verrät" && args[1] == "nicht":
		files := 0
		err := filepath.WalkDir(filepath.Join(s.outside, "kopie"), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			files++
			for _, w := range args[2:] {
				if bytes.Contains(raw, []byte(w)) {
					return fmt.Errorf("„%s“ steht lesbar in %s", w, path)
				}
			}
			return err
		})
		if err == nil && files < 2 {
			return errors.New("draußen liegt nichts")
		}
		return err
	}
	return errors.New("erwartet wird: vollständig, oder: verrät nicht \"Worte\"")
}

// machine: Maschine brennt. What lies outside is what lay there at this moment; the
// data folder is gone.
func (s *stage) machine(args []string) error {
	if args[0] != "brennt" {
		return errors.New("erwartet wird: brennt")
	}
	synctest.Wait()
	if err := os.CopyFS(filepath.Join(s.outside, "rest"), os.DirFS(filepath.Join(s.outside, "kopie"))); err != nil {
		return err
	}
	if err := errors.Join(s.stopApp(), os.RemoveAll(s.dir)); err != nil {
		return err
	}
	s.readers, s.now, s.who = map[string]*reader{}, nil, ""
	var err error
	s.dir, err = s.folder()
	return err
}

// bringBack: Zurückspielen "Worte" …. What `tuermer restore --replica` does on another
// machine, with the operator's key.
func (s *stage) bringBack(args []string) error {
	var said bytes.Buffer
	settings := app.Settings{Config: s.config, Data: s.dir, Lang: i18n.DE, Log: s.log, Stdout: &said, Stderr: io.Discard, Version: "test"}
	err := app.Commands{}.Restore(s.t.Context(), settings, app.RestoreWish{Replica: filepath.Join(s.outside, "rest"), Keys: []string{s.keyFile()}})
	if err != nil {
		return err
	}
	for _, w := range args {
		if !strings.Contains(said.String(), w) {
			return fmt.Errorf("„%s“ kommt nicht vor in:\n%s", w, said.String())
		}
	}
	return s.startApp()
}

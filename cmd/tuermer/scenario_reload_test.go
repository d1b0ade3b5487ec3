package main

import (
	"errors"
	"fmt"
	"strings"

	"tuermer/internal/app"
	"tuermer/internal/platform/i18n"
)

// reread: Einlesen zweite.yaml "Worte" … | Einlesen falsch.yaml nicht "Worte" ….
// What `tuermer reload` does and says, without the socket.
func (s *stage) reread(args []string) error {
	file, words := args[0], args[1:]
	refused := words[0] == "nicht"
	if refused {
		words = words[1:]
	}
	yaml, ok := s.files[file]
	if !ok {
		return fmt.Errorf("zum Szenario gehört keine Datei „%s“", file)
	}
	said, err := s.readAgain(yaml)
	switch {
	case err == nil && refused:
		return fmt.Errorf("die Datei hätte abgelehnt werden sollen; sie wurde übernommen:\n%s", said)
	case err != nil && !refused:
		return err
	case err != nil:
		said = err.Error()
		if w, ok := errors.AsType[interface {
			error
			In(l i18n.Lang) string
		}](err); ok {
			said = w.In(i18n.DE)
		}
	}
	for _, w := range words {
		if !contains(said, w) {
			return fmt.Errorf("„%s“ kommt nicht vor in:\n%s", w, said)
		}
	}
	return nil
}

func (s *stage) readAgain(yaml []byte) (string, error) {
	config, _, err := app.ParseConfig("tuermer.yaml", often(yaml))
	if err != nil {
		return "", err
	}
	settings := app.NewSettings(app.Settings{Data: s.dir, Database: s.database, Lang: i18n.DE, Log: s.log}, config)
	if config.Listen.Staff == "" {
		settings.Staff = staffHost
	}
	if config.Listen.Public == "" {
		settings.Public = publicHost
	}
	r, err := s.app.Reload(s.t.Context(), settings)
	if err != nil {
		return "", err
	}
	known := s.targets
	s.config = config
	for _, m := range config.Monitors {
		if known[m.Slug] == nil {
			if err := s.newTarget(m.Slug, m.Spec.URL); err != nil {
				return "", err
			}
		}
	}
	catalog, err := i18n.NewCatalog(app.Texts()...)
	if err != nil {
		return "", err
	}
	return strings.Join(r.In(catalog, i18n.DE), "\n"), nil
}

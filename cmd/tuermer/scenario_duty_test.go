package main

import (
	"fmt"

	"tuermer/internal/app"
)

// lookup is the DNS of a scenario that has a dns.zone; others ask nobody.
func (s *stage) lookup() app.Lookup {
	if s.names == nil {
		return nil
	}
	return s.names
}

// nameService: Namensdienst zweite.zone lets DNS say something else from now on.
func (s *stage) nameService(args []string) error {
	file, ok := s.files[args[0]]
	if !ok || s.names == nil {
		return fmt.Errorf("es gibt kein %s, oder am Anfang kein dns.zone", args[0])
	}
	return s.names.Become(string(file))
}

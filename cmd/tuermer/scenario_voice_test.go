package main

import (
	"errors"
	"fmt"
	"strings"
)

// ringing: Anruf an +49… über ruf "Worte" … | nicht an +49… | besetzt | wird angenommen |
// endet | bleibt ohne Antwort | Taste 1. The last ones are about the call that was
// heard last; the provider reports them at its address for receipts.
func (s *stage) ringing(args []string) error {
	switch {
	case args[0] == "an" && len(args) > 1:
		words, over := args[2:], ""
		if len(words) > 1 && words[0] == "über" {
			over, words = words[1], words[2:]
		}
		m, err := s.find(true, args[1], over, words)
		if err != nil {
			return err
		}
		m.read, s.lastCall = true, m
		return nil
	case args[0] == "nicht" && len(args) > 2:
		if m, err := s.find(true, args[2], "", args[3:]); err == nil {
			return fmt.Errorf("doch: %s", m.Text)
		}
		return nil
	}
	if s.lastCall == nil {
		return errors.New("zuerst muss ein Anruf gehört sein")
	}
	status := map[string]string{
		"besetzt": "busy", "wird angenommen": "answered", "endet": "completed", "bleibt ohne Antwort": "no-answer",
	}[strings.Join(args, " ")]
	told := map[string]string{"id": s.lastCall.ID, "status": status}
	switch {
	case args[0] == "Taste" && len(args) == 2:
		told["status"], told["key"] = "answered", args[1]
	case status == "":
		return errors.New("erwartet wird an, nicht an, besetzt, wird angenommen, endet, bleibt ohne Antwort oder Taste")
	}
	return s.tell(s.lastCall.Callback, told)
}

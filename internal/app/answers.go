package app

import (
	"context"
	"fmt"

	"tuermer/internal/platform/fault"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// answers leads what somebody writes back to the alarm that it means. Whoever
// answers from the number that was alarmed acts like the link in the mail: for
// this person, on this alert, and only if they were told.
type answers struct{ a *App }

func (a *App) answers() channel.Answers { return answers{a} }

// Answer implements [channel.Answers].
func (x answers) Answer(ctx context.Context, an channel.Answer) error {
	verb, ok := map[channel.Word]alert.Verb{channel.Take: alert.Take, channel.Decline: alert.Refuse}[an.Word]
	if !ok {
		// Nobody is to be kept from taking it, so it is only told in the log.
		x.a.log.InfoContext(ctx, "an answer takes no alarm", "message", an.Message, "word", string(an.Word))
		return nil
	}
	people, err := x.a.identity.People(ctx, identity.Filter{Active: true})
	if err != nil {
		return fmt.Errorf("app: answer: %w", err)
	}
	for _, p := range people {
		if p.Mobile != an.To && p.Chat != an.To {
			continue
		}
		if ours, err := x.a.trial.Answer(ctx, p.ID, an.Thread, an.Message); ours {
			return err
		}
		err := x.a.alert.Answer(ctx, p.ID, alert.ID(an.Thread), verb)
		switch fault.KindOf(err) {
		case fault.NotFound, fault.Forbidden, fault.Conflict:
			if err != nil { // over, taken, or never theirs: nothing to repeat
				x.a.log.WarnContext(ctx, "an answer does not take the alarm", "alert", an.Thread, "err", err)
				continue
			}
		}
		return err
	}
	return nil
}

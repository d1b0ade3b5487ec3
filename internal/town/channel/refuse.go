package channel

import (
	"fmt"
)

// Refuse is the door of every adapter: it answers a permanent [*Failure] with
// the reason "config" for a message that a must not carry, because it belongs
// to another kind or to the other realm (I4), or lacks the ID or the address
// without which a retry could not be told from a second message. It answers nil
// when a may carry m.
//
// It stands here and not in each adapter so that the line between exercise and
// reality is drawn once.
func Refuse(a Adapter, m Message) error {
	var err error
	switch {
	case m.Realm != a.Realm():
		err = fmt.Errorf("message of realm %q on route %q of realm %q", m.Realm, a.Route(), a.Realm())
	case m.Kind != a.Kind():
		err = fmt.Errorf("message of kind %q on route %q of kind %q", m.Kind, a.Route(), a.Kind())
	case m.ID == "":
		err = fmt.Errorf("message without an ID on route %q", a.Route())
	case m.To == "":
		err = fmt.Errorf("message %q without an address", m.ID)
	default:
		return nil
	}
	return &Failure{Permanent: true, Reason: "config", Err: err}
}

package alert

import (
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// buttons gives a message what ways with buttons show: the page behind it, and for
// an alarm the link by which its reader takes it over. A mail has them in its text.
// The message has lost its sense when the link has.
func (m *mailing) buttons(msg *channel.Message, n Notified) {
	if msg.Kind == channel.Mail {
		return
	}
	msg.Link = m.page()
	if n.Kind != Alarm {
		return
	}
	msg.Until = m.t.now.Add(ackValid)
	msg.Link = m.town.StaffURL + "/a/" + m.r.token(m.alert.ID, identity.PersonID(n.PersonID), m.t.now)
	msg.Answer = msg.Link
}

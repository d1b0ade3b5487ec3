package channel

import (
	"encoding/json"
	"fmt"
)

// Reply writes the note as the answer to a command that somebody gave in a chat: for
// whoever gave it alone, or for all in the room. Rocket.Chat knows no answer for one
// alone; there everybody in the room reads it.
func (f Form) Reply(n Note, all bool) ([]byte, error) {
	if f != Slack && f != Mattermost && f != RocketChat {
		return nil, fmt.Errorf("channel: no command comes from a chat of the form %q", f)
	}
	body, err := f.Body(n)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("channel: chat: %w", err)
	}
	switch f {
	case Slack, Mattermost:
		m["response_type"] = "ephemeral"
		if all {
			m["response_type"] = "in_channel"
		}
	}
	if f == Mattermost {
		m["skip_slack_parsing"] = true // what looks like Slack's "<!channel>" is words
	}
	return marshal(m)
}

package app

import (
	"slices"
	"strings"

	"tuermer/internal/town/channel/gateway"
)

// voice is one provider of calls. The presets of short messages are none.
func (r *configReader) voice(g *GatewayConfig) setter {
	return r.provider(g, []string{gateway.Generic}, parseGatewayURL)
}

// warnVoice names what makes a call count for less, or for more, than it should.
func warnVoice(path string, g GatewayConfig, note func(string, string, ...any)) {
	all := g.URL + g.Body
	for _, h := range g.Headers {
		all += h
	}
	if all = strings.ReplaceAll(all, " ", ""); !strings.Contains(all, "{{.Callback}}") && !strings.Contains(all, "{{.Reply}}") {
		note(path, "config.warn_voice_deaf", g.Name)
	}
	for _, word := range []string{"answered", "completed", "in-progress"} {
		if slices.Contains(g.Receipt.Delivered, word) {
			note(path+".receipt.delivered", "config.warn_voice_machine", g.Name, word)
		}
	}
}

package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"tuermer/internal/notice/pulse"
)

// HeartbeatConfig is an address outside that hears every minute how Türmer is,
// and calls somebody when it hears nothing.
type HeartbeatConfig struct {
	Name    string
	URL     string
	URLFile string // where the address itself is the secret
	Secret  Secret // content of URLFile, read by [LoadConfig]
}

func (r *configReader) heartbeat(h *HeartbeatConfig) setter {
	return r.object(1,
		field{"name", scalar(r, &h.Name, parseLine)},
		field{"url", scalar(r, &h.URL, parseWeb)},
		field{"url_file", scalar(r, &h.URLFile, optional(parseLine))},
	)
}

// checkHeartbeats looks at what belongs together.
func (r *configReader) checkHeartbeats(list []HeartbeatConfig) {
	seen := map[string]bool{}
	for i, h := range list {
		key := fmt.Sprintf("heartbeats[%d]", i)
		if seen[h.Name] {
			r.refuse(r.at[key+".name"], key+".name", "config.watcher_twice", h.Name)
		}
		seen[h.Name] = true
		if (h.URL == "") == (h.URLFile == "") {
			r.refuse(r.at[key+".name"], key, "config.watcher_url")
		}
	}
}

// watchers are those that the file names for the town in ctx.
func (a *App) watchers(ctx context.Context) (out []pulse.Watcher) {
	c := a.configOf(ctx)
	if c == nil {
		return nil
	}
	for _, h := range c.Heartbeats {
		w := pulse.Watcher{Name: h.Name, URL: h.URL}
		if s := strings.TrimSpace(h.Secret.Reveal()); s != "" {
			w.URL = s
		}
		out = append(out, w)
	}
	return out
}

// pulseClient reaches watchers through dial. A redirect is not followed: it would
// carry the key to somebody else.
func pulseClient(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true, TLSHandshakeTimeout: checkTime, ResponseHeaderTimeout: checkTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// heldHere is the client for the towns' own entries: it goes where their checks
// may go.
func (a *App) heldHere() *http.Client { return pulseClient(a.held().DialContext) }

// checkPlace tells whether this machine burns with the house (R4.6).
func (a *App) checkPlace(ctx context.Context, s Settings) ([]CheckResult, error) {
	inside, _, err := a.pulse.Place(ctx)
	if err != nil || len(inside) == 0 {
		return nil, err
	}
	parts := make([]string, len(inside))
	for i, p := range inside {
		parts[i] = a.catalog.Text(s.Lang, "pulse.part_"+p.What, p.Addr.String(), p.Net.String())
	}
	return []CheckResult{{
		What:   a.catalog.Text(s.Lang, "app.check_inside", strings.Join(parts, "; ")),
		WayOut: a.catalog.Text(s.Lang, "app.check_inside_out"),
	}}, nil
}

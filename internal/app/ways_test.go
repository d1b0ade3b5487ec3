package app

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
)

// A webhook of the operator's file goes anywhere; one that a town's people
// entered goes where their checks may go, whether an alarm or a person's test
// sends it.
func TestWebhooksOfPeopleAreHeld(t *testing.T) {
	var calls sync.Map
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { calls.Store(r.URL.Path, true) }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	file := strings.Replace(townFile("adorf"), "https://haken.adorf.example", srv.URL+"/datei", 1)
	a, err := declared(t, t.TempDir(), file, townFile("bestadt"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := ident.WithTenant(ident.WithActor(t.Context(), ident.System), "adorf")
	err = a.channel.SaveHook(ctx, channel.Hook{Name: "adresse", URL: srv.URL + "/adresse"})
	if f := fault.As(err); f.Fields["url"] != "channel.hook_reach" {
		t.Errorf("an address outside is taken: %v", err)
	}
	if err := a.channel.SaveHook(ctx, channel.Hook{Name: "name", URL: "http://localhost:" + port + "/konsole"}); err != nil {
		t.Fatal(err)
	}
	try := func() map[bool]error {
		t.Helper()
		out := map[bool]error{}
		all, err := hooks{a}.Hooks(ctx)
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		for _, h := range all {
			_, out[h.Declared] = a.channel.Try(ctx, "webhook", channel.Message{
				ID: "x", Kind: channel.Webhook, Class: channel.Alarm, Realm: channel.Live, To: h.URL, Declared: h.Declared, Text: "x",
			})
		}
		return out
	}
	got := try()
	if got[true] != nil || channel.AsFailure(got[false]).Reason != "blocked" {
		t.Errorf("%v", got)
	}
	if _, came := calls.Load("/konsole"); came {
		t.Error("it arrived")
	}
	town, err := a.identity.Current(ctx)
	if err != nil {
		t.Fatal(err)
	}
	town.ProbeNetworks = []string{"public", "127.0.0.0/8", "::1"}
	if err := a.identity.SaveTenant(ctx, town); err != nil {
		t.Fatal(err)
	}
	if got = try(); got[true] != nil || got[false] != nil {
		t.Errorf("the widened list does not count: %v", got)
	}
	if _, came := calls.Load("/konsole"); !came {
		t.Error("it did not arrive")
	}
}

// A mail server that people enter may stand beside us where the install is one
// town's own; where it serves several it is held like their checks.
func TestMailServersOfPeopleAreHeld(t *testing.T) {
	for name, files := range map[string][]string{"one town": {townFile("adorf")}, "two towns": {townFile("adorf"), townFile("bestadt")}} {
		t.Run(name, func(t *testing.T) {
			var knocks atomic.Int32
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					knocks.Add(1)
					_ = c.Close()
				}
			})
			defer wg.Wait()
			defer func() { _ = l.Close() }()
			a, err := declared(t, t.TempDir(), files...)
			if err != nil {
				t.Fatal(err)
			}
			ctx := ident.WithTenant(ident.WithActor(t.Context(), ident.System), "adorf")
			at := netip.MustParseAddrPort(l.Addr().String())
			err = a.channel.SaveRelay(ctx, channel.Relay{Name: "eigen", Host: "localhost", Port: int(at.Port()), From: "lage@adorf.example", TLS: "none"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.channel.Try(ctx, "eigen", channel.Message{
				ID: "x", Kind: channel.Mail, Class: channel.Single, Realm: channel.Live, To: "ada@post.example", Subject: "x", Text: "x",
			})
			held := len(files) > 1
			if err == nil || fence.Refused(err) != held || (knocks.Load() == 0) != held {
				t.Errorf("held %v: %v after %d connections", held, err, knocks.Load())
			}
			if c, err := a.heldRelay("adorf").DialContext(ctx, "tcp", "169.254.169.254:25"); !fence.Refused(err) {
				t.Errorf("metadata: %v %v", c, err)
			}
		})
	}
}

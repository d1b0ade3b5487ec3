package channel_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/vault"
)

func aDevice(t *testing.T, endpoint string) channel.Device {
	t.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return channel.Device{Label: " Firefox,\nAndroid ", Endpoint: endpoint, P256DH: k.PublicKey().Bytes(), Auth: make([]byte, 16)}
}

func as(ctx context.Context, person string) context.Context {
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: person, Name: person})
}

func TestDevices(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		v, err := vault.New(make([]byte, vault.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		var lost []string
		r := channel.New(channel.Options{
			Store: w.Store, Clock: clock.System{}, Vault: v, Sole: !w.Store.Postgres(), Signer: v,
			DeviceLost: func(_ context.Context, d channel.Device) error { lost = append(lost, d.Person+" "+d.Label); return nil },
		})
		ada, bert := as(w.Ctx, "ada"), as(w.Ctx, "bert")
		d, err := r.AddDevice(ada, aDevice(t, "https://push.example/wp/geheim"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.AddDevice(ada, aDevice(t, "https://push.example/wp/geheim"))
		if err != nil || again.ID != d.ID || !again.AddedAt.Equal(d.AddedAt) {
			t.Error("the same device twice", again, err)
		}
		all, err := r.Devices(ada, "ada")
		if err != nil || len(all) != 1 || all[0].Label != "Firefox, Android" || all[0].Endpoint != "https://push.example/wp/geheim" || len(all[0].P256DH) != 65 {
			t.Fatal(all, err)
		}
		// Nothing of it stands readable in the database.
		var row struct{ Mark, Secret string }
		if err := w.Store.Read(w.Ctx).NewSelect().Table("channel_device").Column("mark", "secret").Where("tenant_id = ?", ident.TenantOf(w.Ctx)).Scan(w.Ctx, &row); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(row.Mark+row.Secret, "geheim") || strings.Contains(row.Secret, "Firefox") {
			t.Error("the endpoint is not sealed")
		}

		// Of other people and towns there is nothing to remove.
		if err := r.RemoveDevice(bert, d.ID); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
		if err := r.RemoveDevice(ident.WithTenant(ada, "neustadt"), d.ID); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
		if ok, err := r.HasDevice(ident.WithTenant(ada, "neustadt"), "ada"); ok || err != nil {
			t.Error(ok, err)
		}

		// Gone is told once; the person sees it, and nothing is pushed there.
		for range 2 {
			if err := r.LoseDevice(w.Ctx, all[0]); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Join(lost, "|") != "ada Firefox, Android" {
			t.Error(lost)
		}
		all, err = r.Devices(ada, "ada")
		if err != nil || len(all) != 1 || all[0].LostAt.IsZero() {
			t.Error(all, err)
		}
		if ok, err := r.HasDevice(ada, "ada"); ok || err != nil {
			t.Error(ok, err)
		}
		if live, err := r.Pushable(ada, "ada"); len(live) != 0 || err != nil {
			t.Error(live, err)
		}
		// Registered anew it counts again, for whoever holds it now.
		if _, err := r.AddDevice(bert, aDevice(t, "https://push.example/wp/geheim")); err != nil {
			t.Fatal(err)
		}
		if ok, _ := r.HasDevice(ada, "bert"); !ok {
			t.Error("bert's is not there")
		}
		if all, _ := r.Devices(ada, "ada"); len(all) != 0 {
			t.Error("it is still ada's")
		}
		if err := r.RemoveDevice(bert, d.ID); err != nil {
			t.Error(err)
		}

		for _, endpoint := range []string{
			"http://push.example/x", "https://10.0.0.1/x", "https://[::1]/x", "https://user@push.example/x", "https:///x", "ftp://push.example/", "",
			"https://push.example/" + strings.Repeat("x", 3000),
		} {
			if _, err := r.AddDevice(ada, aDevice(t, endpoint)); fault.As(err).Fields["endpoint"] != "channel.device_endpoint" {
				t.Error(endpoint, err)
			}
		}
		bad := aDevice(t, "https://push.example/wp/x")
		bad.P256DH[10] ^= 1
		if _, err := r.AddDevice(ada, bad); fault.As(err).Fields["keys"] != "channel.device_keys" {
			t.Error(err)
		}
		for i := range channel.MaxDevices + 1 {
			_, err := r.AddDevice(ada, aDevice(t, "https://push.example/wp/"+strings.Repeat("x", i+1)))
			if (err != nil) != (i == channel.MaxDevices) {
				t.Error(i, err)
			}
		}
		if _, err := r.AddDevice(w.Ctx, aDevice(t, "https://push.example/wp/y")); fault.KindOf(err) != fault.Forbidden {
			t.Error("nobody's device", err)
		}
	})
}

// A service worker's receipt arrives once, by the message's own token.
func TestPushReceipt(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		v, err := vault.New(make([]byte, vault.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		way := &device{}
		r := channel.New(channel.Options{
			Store: w.Store, Clock: clock.System{}, Vault: v, Sole: !w.Store.Postgres(), Signer: v,
			Adapters: func(context.Context) []channel.Adapter { return []channel.Adapter{way} },
		})
		ends := settled(w)
		w.Start(t)
		start(t, w, r)
		m := channel.Message{ID: "m1", Kind: channel.Push, Class: channel.Alarm, To: "ada", ToName: "Ada Beispiel", Subject: "s", Text: "t"}
		if err := r.Send(w.Ctx, m); err != nil {
			t.Fatal(err)
		}
		if e := wait(t, ends); e.State != channel.Accepted || e.Route != channel.PushRoute {
			t.Fatal(e)
		}
		post := func(path string, ctx context.Context) int {
			rec := httptest.NewRecorder()
			req := httptest.NewRequestWithContext(ctx, http.MethodPost, path, nil)
			req.SetPathValue("token", path[strings.LastIndexByte(path, '/')+1:])
			if err := r.TakePushReceipt(rec, req); err != nil {
				return fault.Status(fault.KindOf(err))
			}
			return rec.Code
		}
		path := r.PushReceiptPath(w.Ctx, m)
		if code := post(path+"x", w.Ctx); code != http.StatusNotFound {
			t.Error("a changed token", code)
		}
		if code := post(path, ident.WithTenant(w.Ctx, "neustadt")); code != http.StatusNotFound {
			t.Error("another town", code)
		}
		if i, err := r.Get(w.Ctx, "m1"); err != nil || i.Arrival != "" || i.To != "Ada Beispiel" {
			t.Fatal(i, err)
		}
		for range 2 {
			if code := post(path, w.Ctx); code != http.StatusNoContent {
				t.Error(code)
			}
		}
		i, err := r.Get(w.Ctx, "m1")
		if err != nil || i.Arrival != channel.Arrived || time.Since(i.ArrivedAt) > time.Hour {
			t.Error(i, err)
		}
	})
}

// device takes every push.
type device struct{}

func (*device) Kind() channel.Kind   { return channel.Push }
func (*device) Route() string        { return channel.PushRoute }
func (*device) Realm() channel.Realm { return channel.Live }
func (*device) Send(context.Context, channel.Message) (channel.Receipt, error) {
	return channel.Receipt{Reference: "x"}, nil
}

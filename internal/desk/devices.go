package desk

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
)

// devicesView is what stands about devices on the page "So erreichen wir Sie".
type devicesView struct {
	All []channel.Device
	Key string // that browsers subscribe with; empty: nothing is pushed here
}

// live counts the devices that are still reached.
func (v devicesView) live() (out []string) {
	for _, d := range v.All {
		if d.LostAt.IsZero() {
			out = append(out, d.Label)
		}
	}
	return out
}

func (d *Desk) devices(ctx context.Context) (v devicesView, err error) {
	if v.All, err = d.o.Channel.Devices(ctx, ident.ActorOf(ctx).Person); err != nil {
		return v, err
	}
	if d.o.PushKey != nil && d.o.Channel.Has(ctx, channel.Live, channel.Push) {
		v.Key, err = d.o.PushKey(ctx)
	}
	return v, err
}

func (d *Desk) deviceRoutes(s *web.Site) {
	s.Handle("POST "+reachPath+"/devices", web.Staff(d.postDevice))
	s.Handle("POST "+reachPath+"/devices/{id}/remove", web.Staff(d.postDeviceRemove))
}

func (d *Desk) postDevice(w http.ResponseWriter, r *http.Request) error {
	f, err := web.ReadForm(r)
	if err != nil {
		return err
	}
	if _, err := d.addDevice(r.Context(), f.Get("endpoint"), f.Get("p256dh"), f.Get("auth"), browser(r.UserAgent())); err != nil {
		return err
	}
	return web.SeeOther(w, r, reachPath+"#devices")
}

func (d *Desk) addDevice(ctx context.Context, endpoint, p256dh, auth, label string) (channel.Device, error) {
	// What is no base64 is no key, and is told as such.
	key, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(p256dh, "="))
	secret, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(auth, "="))
	return d.o.Channel.AddDevice(ctx, channel.Device{Label: label, Endpoint: endpoint, P256DH: key, Auth: secret})
}

func (d *Desk) postDeviceRemove(w http.ResponseWriter, r *http.Request) error {
	if err := d.o.Channel.RemoveDevice(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return web.SeeOther(w, r, reachPath+"#devices")
}

// browser names a device after what its browser calls itself, as people know it.
func browser(agent string) string {
	first := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	name := first("Edg", "Edge", "OPR/", "Opera", "SamsungBrowser", "Samsung Internet", "Firefox/", "Firefox", "FxiOS", "Firefox", "CriOS", "Chrome", "Chrome/", "Chrome", "Safari/", "Safari")
	on := first("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "Mac OS X", "macOS", "Linux", "Linux")
	switch {
	case name == "":
		return "Browser"
	case on == "":
		return name
	}
	return name + ", " + on
}

type deviceBody struct {
	ID      string     `json:"id"`
	Label   string     `json:"label"`
	AddedAt time.Time  `json:"added_at"`
	LostAt  *time.Time `json:"lost_at,omitempty" doc:"Since then the push service knows it no more"`
}

func bodyOf(d channel.Device) deviceBody {
	b := deviceBody{ID: d.ID, Label: d.Label, AddedAt: d.AddedAt}
	if !d.LostAt.IsZero() {
		b.LostAt = &d.LostAt
	}
	return b
}

type deviceInput struct {
	Body struct {
		Endpoint string `json:"endpoint" doc:"Of the subscription (PushSubscription.endpoint)"`
		P256DH   string `json:"p256dh" doc:"Its public key, base64url"`
		Auth     string `json:"auth" doc:"Its secret, base64url"`
		Label    string `json:"label,omitempty" maxLength:"60"`
	}
}

type pushKeyBody struct {
	Key string `json:"key" doc:"applicationServerKey for PushManager.subscribe, base64url; empty where nothing is pushed"`
}

func (d *Desk) deviceAPI(a *web.API) {
	op := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"people"}, DefaultStatus: status}
	}
	web.Operation(a, op("list-own-devices", http.MethodGet, "/reach/devices", "List the own devices to which messages are pushed", 200), "people", d.apiDevices)
	web.Operation(a, op("add-own-device", http.MethodPost, "/reach/devices", "Register a device of one's own for push messages", 201), "people", d.apiAddDevice)
	web.Operation(a, op("remove-own-device", http.MethodDelete, "/reach/devices/{id}", "Let a device of one's own go", 204), "people", d.apiRemoveDevice)
	web.Operation(a, op("get-push-key", http.MethodGet, "/reach/push-key", "The key that browsers subscribe with", 200), "people", d.apiPushKey)
}

func (d *Desk) apiDevices(ctx context.Context, _ *struct{}) (*web.List[deviceBody], error) {
	v, err := d.devices(ctx)
	if err == nil && ident.ActorOf(ctx).Person == "" {
		err = fault.New(fault.Forbidden, "channel.trial_own")
	}
	if err != nil {
		return nil, err
	}
	out := make([]deviceBody, len(v.All))
	for i, x := range v.All {
		out[i] = bodyOf(x)
	}
	return web.NewList(out, ""), nil
}

func (d *Desk) apiAddDevice(ctx context.Context, in *deviceInput) (*web.One[deviceBody], error) {
	x, err := d.addDevice(ctx, in.Body.Endpoint, in.Body.P256DH, in.Body.Auth, in.Body.Label)
	if err != nil {
		return nil, err
	}
	return &web.One[deviceBody]{Body: bodyOf(x)}, nil
}

func (d *Desk) apiRemoveDevice(ctx context.Context, in *idPath) (*struct{}, error) {
	return nil, d.o.Channel.RemoveDevice(ctx, in.ID)
}

func (d *Desk) apiPushKey(ctx context.Context, _ *struct{}) (*web.One[pushKeyBody], error) {
	v, err := d.devices(ctx)
	return &web.One[pushKeyBody]{Body: pushKeyBody{v.Key}}, err
}

// deviceWord is one line on how a device stands.
func deviceWord(ctx context.Context, d channel.Device) string {
	if d.LostAt.IsZero() {
		return i18n.T(ctx, "desk.device_since", i18n.Short(ctx, d.AddedAt))
	}
	return i18n.T(ctx, "desk.device_lost", i18n.Short(ctx, d.LostAt))
}

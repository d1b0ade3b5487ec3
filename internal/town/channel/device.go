package channel

import (
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

// Device / Gerät is a browser or telephone that a person has registered, so that
// messages are pushed to it.
type Device struct {
	ID     string
	Person string
	Label  string // "Firefox, Android", as the browser calls itself
	// Endpoint, P256DH and Auth are what the browser told; sealed at rest.
	Endpoint string
	P256DH   []byte
	Auth     []byte
	AddedAt  time.Time
	// LostAt is when the push service said that there is no such device any more;
	// the person reads it on their page until they remove it. Zero: it counts.
	LostAt time.Time
}

type deviceRow struct {
	bun.BaseModel `bun:"table:channel_device"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	ID            string       `bun:"id,pk"`
	PersonID      string       `bun:"person_id"`
	Mark          string       `bun:"mark"` // tells an endpoint again without naming it
	Secret        []byte       `bun:"secret"`
	AddedAt       time.Time    `bun:"added_at"`
	LostAt        time.Time    `bun:"lost_at,nullzero"`
}

// sealedDevice is what stands sealed in a row.
type sealedDevice struct {
	Label, Endpoint string
	P256DH, Auth    []byte
}

const (
	devicePurpose = "channel.device"
	// MaxDevices is how many devices one person may have.
	MaxDevices   = 10
	maxEndpoint  = 2000
	deviceAuth   = 16
	maxLabel     = 60
	pushReceipt  = "channel.push.receipt"
	receiptKeeps = 7 * 24 * time.Hour
)

// DeviceLost is told when a push service has ended a device's subscription.
type DeviceLost func(ctx context.Context, d Device) error

func (d Device) check() error {
	err := fault.New(fault.Invalid, "channel.device_invalid")
	u, perr := url.Parse(d.Endpoint)
	bad := perr != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(d.Endpoint) > maxEndpoint
	if !bad {
		// A push service has a name; an address is somebody's network. Where the name
		// leads is judged at every connection.
		_, ip := netip.ParseAddr(u.Hostname())
		bad = ip == nil
	}
	if bad {
		err = err.Field("endpoint", "channel.device_endpoint")
	}
	if _, kerr := ecdh.P256().NewPublicKey(d.P256DH); kerr != nil || len(d.Auth) != deviceAuth {
		err = err.Field("keys", "channel.device_keys")
	}
	if len(err.Fields) > 0 {
		return err
	}
	return nil
}

// AddDevice registers a device for the person in ctx; the same one again is the
// one that it was. One that somebody else had registered is theirs no more: the
// browser has changed hands.
func (r *Room) AddDevice(ctx context.Context, d Device) (Device, error) {
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return d, err
	}
	if d.Person = ident.ActorOf(ctx).Person; d.Person == "" {
		return d, fault.New(fault.Forbidden, "channel.trial_own")
	}
	d.Label = strings.Join(strings.Fields(printable(d.Label)), " ")
	if l := []rune(d.Label); len(l) > maxLabel {
		d.Label = string(l[:maxLabel-1]) + "…"
	}
	if err := d.check(); err != nil {
		return d, err
	}
	now := r.o.Clock.Now()
	body, err := json.Marshal(sealedDevice{d.Label, d.Endpoint, d.P256DH, d.Auth})
	if err != nil {
		return d, fmt.Errorf("channel: device: %w", err)
	}
	row := deviceRow{TenantID: tenant, ID: ident.NewID(now), PersonID: d.Person, Mark: deviceMark(d.Endpoint), AddedAt: now}
	if row.Secret, err = r.o.Vault.Seal(devicePurpose, body); err != nil {
		return d, fmt.Errorf("channel: seal: %w", err)
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var known deviceRow
		err := db.NewSelect().Model(&known).Where("tenant_id = ? AND mark = ?", tenant, row.Mark).Scan(ctx)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("channel: device: %w", err)
		}
		if err == nil {
			row.ID = known.ID
			if known.PersonID == row.PersonID {
				row.AddedAt = known.AddedAt
			}
		}
		n, err := db.NewSelect().Model((*deviceRow)(nil)).Where("tenant_id = ? AND person_id = ? AND id <> ?", tenant, d.Person, row.ID).Count(ctx)
		if err != nil {
			return fmt.Errorf("channel: devices: %w", err)
		}
		if n >= MaxDevices {
			return fault.New(fault.Conflict, "channel.device_many", MaxDevices)
		}
		_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id, id) DO UPDATE").
			Set("person_id = EXCLUDED.person_id, secret = EXCLUDED.secret, added_at = EXCLUDED.added_at, lost_at = NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("channel: device: %w", err)
		}
		r.o.Store.AfterCommit(ctx, func() { r.changed(tenant, row.ID) })
		return nil
	})
	d.ID, d.AddedAt = row.ID, clock.Cut(row.AddedAt)
	return d, err
}

func deviceMark(endpoint string) string {
	sum := sha256.Sum256([]byte("channel.device " + endpoint))
	return hex.EncodeToString(sum[:])
}

// Devices are those of a person, oldest first, with the lost ones.
func (r *Room) Devices(ctx context.Context, person string) ([]Device, error) {
	var rows []deviceRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("tenant_id = ? AND person_id = ?", ident.TenantOf(ctx), person).Order("added_at", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("channel: devices: %w", err)
	}
	out := make([]Device, 0, len(rows))
	for _, row := range rows {
		d := Device{ID: row.ID, Person: row.PersonID, AddedAt: clock.Cut(row.AddedAt)}
		if !row.LostAt.IsZero() {
			d.LostAt = clock.Cut(row.LostAt)
		}
		plain, err := r.o.Vault.Open(devicePurpose, row.Secret)
		var s sealedDevice
		if err == nil {
			err = json.Unmarshal(plain, &s)
		}
		if err != nil {
			// Sealed by another instance's key: nothing can be pushed to it any more,
			// and the other devices still can.
			r.o.Log.ErrorContext(ctx, "a device cannot be opened and is left out", "device", row.ID, "err", err)
			if d.LostAt.IsZero() {
				d.LostAt = d.AddedAt
			}
		}
		d.Label, d.Endpoint, d.P256DH, d.Auth = s.Label, s.Endpoint, s.P256DH, s.Auth
		out = append(out, d)
	}
	return out, nil
}

// Pushable are the devices of a person that still count.
func (r *Room) Pushable(ctx context.Context, person string) ([]Device, error) {
	all, err := r.Devices(ctx, person)
	out := all[:0]
	for _, d := range all {
		if d.LostAt.IsZero() {
			out = append(out, d)
		}
	}
	return out, err
}

// HasDevice tells whether anything can be pushed to the person.
func (r *Room) HasDevice(ctx context.Context, person string) (bool, error) {
	ok, err := r.o.Store.Read(ctx).NewSelect().Model((*deviceRow)(nil)).
		Where("tenant_id = ? AND person_id = ? AND lost_at IS NULL", ident.TenantOf(ctx), person).Exists(ctx)
	if err != nil {
		return false, fmt.Errorf("channel: devices: %w", err)
	}
	return ok, nil
}

// RemoveDevice lets a device of the person in ctx go.
func (r *Room) RemoveDevice(ctx context.Context, id string) error {
	tenant, person := ident.TenantOf(ctx), ident.ActorOf(ctx).Person
	if person == "" {
		return fault.New(fault.Forbidden, "channel.trial_own")
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewDelete().Model((*deviceRow)(nil)).Where("tenant_id = ? AND id = ? AND person_id = ?", tenant, id, person).Exec(ctx)
		if err != nil {
			return fmt.Errorf("channel: device: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.NotFound, "channel.device_not_found").With(err)
		}
		r.o.Store.AfterCommit(ctx, func() { r.changed(tenant, id) })
		return nil
	})
}

// LoseDevice notes that the push service knows the device no more, once.
func (r *Room) LoseDevice(ctx context.Context, d Device) error {
	tenant, now := ident.TenantOf(ctx), r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		res, err := db.NewUpdate().Model((*deviceRow)(nil)).Set("lost_at = ?", now).
			// The person may have registered it anew meanwhile.
			Where("tenant_id = ? AND id = ? AND mark = ? AND lost_at IS NULL", tenant, d.ID, deviceMark(d.Endpoint)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("channel: device: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		r.o.Store.AfterCommit(ctx, func() { r.changed(tenant, d.ID) })
		if r.o.DeviceLost == nil {
			return nil
		}
		return r.o.DeviceLost(ctx, d)
	})
}

// PushReceiptPath is where a service worker reports that it has shown the message.
// The token in it is for this message alone.
func (r *Room) PushReceiptPath(ctx context.Context, m Message) string {
	t := ident.TenantOf(ctx)
	if r.o.Signer == nil || t == "" {
		return ""
	}
	return "/channel/push/" + r.o.Signer.Sign(pushReceipt, []byte(string(t)+"\n"+m.ID), r.o.Clock.Now().Add(receiptKeeps))
}

// TakePushReceipt notes that a device has shown a message. Whoever holds the token
// may say so, and nothing else: it opens and changes nothing more.
func (r *Room) TakePushReceipt(w http.ResponseWriter, req *http.Request) error {
	ctx, unknown := req.Context(), fault.New(fault.NotFound, "channel.no_such_address")
	if r.o.Signer == nil {
		return unknown
	}
	payload, err := r.o.Signer.Verify(pushReceipt, req.PathValue("token"), r.o.Clock.Now())
	if err != nil {
		return unknown.With(err)
	}
	tenant, id, _ := strings.Cut(string(payload), "\n")
	if t := ident.TenantOf(ctx); t != "" && string(t) != tenant {
		return unknown
	}
	ctx = ident.WithActor(ident.WithTenant(ctx, ident.Tenant(tenant)), ident.System)
	if err := r.Report(ctx, PushRoute, Report{ID: id, Arrival: Arrived}); err != nil {
		return err // a 5xx: the service worker says it again
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// PushRoute is the name of the one way by which messages are pushed.
const PushRoute = "push"

// PushHosts are the push services to which the town in ctx sends, by name.
func (r *Room) PushHosts(ctx context.Context) ([]string, error) {
	var rows []deviceRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND lost_at IS NULL", ident.TenantOf(ctx)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("channel: devices: %w", err)
	}
	hosts := map[string]bool{}
	for _, row := range rows {
		var s sealedDevice
		if plain, err := r.o.Vault.Open(devicePurpose, row.Secret); err != nil || json.Unmarshal(plain, &s) != nil {
			continue // told where it is used, see Devices
		}
		if u, err := url.Parse(s.Endpoint); err == nil {
			hosts[u.Hostname()] = true
		}
	}
	return slices.Sorted(maps.Keys(hosts)), nil
}

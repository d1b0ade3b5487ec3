package intake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
)

// Mailbox / Postfach is where the mails of a source arrive when they are not
// written to us: Türmer fetches them there by IMAP.
type Mailbox struct {
	Host     string
	Port     int    // 0: that of Security
	Security string // tls, starttls, none
	Login    string
	Password string // shown nowhere; left empty it stays as it is
	Folder   string // empty: INBOX
	// Reception is on where people write to it.
	Reception Reception

	LookedAt  time.Time // when it was last read to its end
	FailingAt time.Time // since when it cannot be read; zero: it can
	Problem   string    // unreachable, tls, login, folder or outside; empty: none
}

// Securities are how a connection to a mailbox may be kept from others.
func Securities() []string { return []string{"tls", "starttls", "none"} }

// failsFor is how long a mailbox may be out of reach until that alarms.
const failsFor = 10 * time.Minute

// boxPurpose binds the sealed password to its place.
const boxPurpose = "intake mailbox"

// Sealer keeps passwords unreadable at rest.
type Sealer interface {
	Seal(purpose string, plain []byte) ([]byte, error)
	Open(purpose string, sealed []byte) ([]byte, error)
}

type boxRow struct {
	bun.BaseModel `bun:"table:intake_mailbox"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Source        string       `bun:"source,pk"`
	Host          string       `bun:"host"`
	Port          int          `bun:"port"`
	Security      string       `bun:"security"`
	Login         string       `bun:"login"`
	Secret        []byte       `bun:"secret"`
	Folder        string       `bun:"folder"`
	Validity      int64        `bun:"validity"`
	UID           int64        `bun:"uid"`
	LookedAt      time.Time    `bun:"looked_at,nullzero"`
	FailingAt     time.Time    `bun:"failing_at,nullzero"`
	Problem       string       `bun:"problem"`
	Told          bool         `bun:"told"`
	Channel       string       `bun:"channel"`
	Route         string       `bun:"route"`
	Urgent        string       `bun:"urgent"` // words, one a line
}

func (row boxRow) reception() Reception {
	x := Reception{Channel: row.Channel, Route: row.Route}
	if row.Urgent != "" {
		x.Urgent = strings.Split(row.Urgent, "\n")
	}
	return x
}

func (row boxRow) mailbox() Mailbox {
	return Mailbox{
		Host: row.Host, Port: row.Port, Security: row.Security, Login: row.Login, Folder: row.Folder,
		LookedAt: when(row.LookedAt), FailingAt: when(row.FailingAt), Problem: row.Problem, Reception: row.reception(),
	}
}

// place is what it is to read: whoever changes it begins anew.
func (row boxRow) place() string {
	return strings.Join([]string{row.Host, fmt.Sprint(row.Port), row.Login, row.Folder}, "\n")
}

func (m Mailbox) check() (Mailbox, error) {
	m.Host, m.Login, m.Folder = strings.TrimSpace(m.Host), strings.TrimSpace(m.Login), strings.TrimSpace(m.Folder)
	bad := fault.New(fault.Invalid, "intake.invalid")
	if m.Host == "" || len(m.Host) > 253 || strings.ContainsAny(m.Host, " /@:\r\n\t") {
		bad = bad.Field("box_host", "intake.box_host_bad")
	}
	if m.Security == "" {
		m.Security = "tls"
	}
	if !slices.Contains(Securities(), m.Security) {
		bad = bad.Field("box_security", "intake.box_security_bad")
	}
	if m.Port == 0 {
		if m.Port = 143; m.Security == "tls" {
			m.Port = 993
		}
	}
	if m.Port < 1 || m.Port > 65535 {
		bad = bad.Field("box_port", "intake.box_port_bad")
	}
	if m.Login == "" || len(m.Login) > 200 || strings.ContainsAny(m.Login, "\r\n\x00") {
		bad = bad.Field("box_login", "intake.box_login_bad")
	}
	if len(m.Password) > 500 || strings.ContainsAny(m.Password, "\r\n\x00") {
		bad = bad.Field("box_password", "intake.box_password_bad")
	}
	if m.Folder == "" {
		m.Folder = "INBOX"
	}
	if len(m.Folder) > 200 || strings.ContainsAny(m.Folder, "\r\n\x00") {
		bad = bad.Field("box_folder", "intake.box_folder_bad")
	}
	x, wrong := m.Reception.check()
	if m.Reception = x; wrong != nil {
		for name, key := range wrong.Fields {
			bad = bad.Field(name, key)
		}
	}
	if len(bad.Fields) > 0 {
		return m, bad
	}
	return m, nil
}

// Mailbox is that of a source; ok tells whether it has one.
func (r *Room) Mailbox(ctx context.Context, source string) (m Mailbox, ok bool, err error) {
	if err := mayRead(ctx); err != nil {
		return m, false, err
	}
	row, err := r.box(ctx, r.o.Store.Read(ctx), source)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return m, false, nil
	}
	return row.mailbox(), err == nil, err
}

func (r *Room) box(ctx context.Context, db bun.IDB, source string) (boxRow, error) {
	var row boxRow
	err := db.NewSelect().Model(&row).Where("tenant_id = ? AND source = ?", ident.TenantOf(ctx), source).Scan(ctx)
	if store.NotFound(err) {
		return row, fault.New(fault.NotFound, "intake.no_mailbox", source)
	}
	if err != nil {
		return row, fmt.Errorf("intake: mailbox: %w", err)
	}
	return row, nil
}

// SetMailbox lets the mails of a source be fetched from a mailbox.
func (r *Room) SetMailbox(ctx context.Context, source string, m Mailbox) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	m, wrong := m.check()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		src, err := r.live(ctx, db, source)
		if err != nil {
			return err
		}
		if src.Format != Mail {
			return fault.New(fault.Conflict, "intake.no_mail_source", source)
		}
		if wrong != nil {
			return wrong
		}
		was, err := r.box(ctx, db, source)
		had := err == nil
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		row := boxRow{
			TenantID: src.TenantID, Source: source, Host: m.Host, Port: m.Port, Security: m.Security, Login: m.Login, Folder: m.Folder,
			Validity: was.Validity, UID: was.UID, LookedAt: was.LookedAt, FailingAt: was.FailingAt, Problem: was.Problem, Told: was.Told, Secret: was.Secret,
			Channel: m.Reception.Channel, Route: m.Reception.Route, Urgent: strings.Join(m.Reception.Urgent, "\n"),
		}
		if row.place() != was.place() {
			row.Validity, row.UID, row.LookedAt = 0, 0, time.Time{}
		}
		switch {
		case m.Password != "":
			if row.Secret, err = r.o.Vault.Seal(boxPurpose, []byte(m.Password)); err != nil {
				return fmt.Errorf("intake: mailbox: %w", err)
			}
		case !had || row.Host != was.Host || row.Login != was.Login:
			// A password that is known to us goes to no other machine unasked.
			return fault.New(fault.Invalid, "intake.invalid").Field("box_password", "intake.box_password_bad")
		}
		_, err = db.NewInsert().Model(&row).On("CONFLICT (tenant_id, source) DO UPDATE").
			Set("host = EXCLUDED.host, port = EXCLUDED.port, security = EXCLUDED.security, login = EXCLUDED.login, secret = EXCLUDED.secret").
			Set("folder = EXCLUDED.folder, validity = EXCLUDED.validity, uid = EXCLUDED.uid, looked_at = EXCLUDED.looked_at").
			Set("channel = EXCLUDED.channel, route = EXCLUDED.route, urgent = EXCLUDED.urgent").Exec(ctx)
		if err != nil {
			return fmt.Errorf("intake: mailbox: %w", err)
		}
		r.o.Store.AfterCommit(ctx, r.posts.kick)
		r.hint(ctx, source)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "intake.mailbox_set", Subject: "intake:" + source, Detail: map[string]string{"host": m.Host, "login": m.Login}})
	})
}

// DropMailbox ends the fetching and forgets the password.
func (r *Room) DropMailbox(ctx context.Context, source string) error {
	if err := mayChange(ctx); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		src, err := r.get(ctx, db, source)
		if err != nil {
			return err
		}
		if _, err := r.box(ctx, db, source); err != nil {
			return err
		}
		if err := r.dropBox(ctx, db, src); err != nil {
			return err
		}
		r.hint(ctx, source)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "intake.mailbox_dropped", Subject: "intake:" + source})
	})
}

// dropBox forgets a mailbox, if there is one, and what was wrong with it.
func (r *Room) dropBox(ctx context.Context, db bun.IDB, src sourceRow) error {
	row, err := r.box(ctx, db, src.Name)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if row.Told {
		if err := r.tell(ctx, src, aboutMailbox, signal.Resolved); err != nil {
			return err
		}
	}
	if _, err := db.NewDelete().Model((*boxRow)(nil)).Where("tenant_id = ? AND source = ?", src.TenantID, src.Name).Exec(ctx); err != nil {
		return fmt.Errorf("intake: mailbox: %w", err)
	}
	r.o.Store.AfterCommit(ctx, r.posts.kick)
	return nil
}

// looked notes how far a mailbox has been read, or why not; what cannot be read for
// long alarms, for what it would say nobody hears.
func (r *Room) looked(ctx context.Context, was boxRow, problem string) error {
	now := r.o.Clock.Now()
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row, err := r.box(ctx, db, was.Source)
		if err != nil || row.place() != was.place() {
			return err // it has been changed or dropped meanwhile
		}
		src, err := r.get(ctx, db, was.Source)
		if err != nil {
			return err
		}
		before := row
		row.Problem = problem
		if problem == "" {
			row.Validity, row.UID, row.LookedAt, row.FailingAt = was.Validity, was.UID, now, time.Time{}
			if before.LookedAt.IsZero() || !before.FailingAt.IsZero() { // until now nobody read it
				src.QuietFrom = now
				if err := r.put(ctx, db, src, "quiet_from"); err != nil {
					return err
				}
			}
			if row.Told {
				if err := r.tell(ctx, src, aboutMailbox, signal.Resolved); err != nil {
					return err
				}
			}
			row.Told = false
		} else {
			if row.FailingAt.IsZero() {
				row.FailingAt = now
			}
			if !row.Told && now.Sub(row.FailingAt) >= failsFor {
				row.Told = true
				if err := r.tell(ctx, src, aboutMailbox, signal.Firing); err != nil {
					return err
				}
			}
		}
		_, err = db.NewUpdate().Model(&row).Column("validity", "uid", "looked_at", "failing_at", "problem", "told").
			Where("tenant_id = ? AND source = ?", row.TenantID, row.Source).Exec(ctx)
		if err != nil {
			return fmt.Errorf("intake: mailbox: %w", err)
		}
		if before.Problem != row.Problem {
			r.hint(ctx, row.Source)
		}
		return nil
	})
}

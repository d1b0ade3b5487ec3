package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
)

// Rhythms of reading mailboxes.
const (
	boxesEvery = time.Minute     // which mailboxes there are is read so often
	boxAgain   = time.Minute     // after an error
	boxIdle    = 5 * time.Minute // a server that tells of new mails is asked all the same
	boxPoll    = time.Minute     // one that does not
	boxConnect = 30 * time.Second
	boxOld     = 24 * time.Hour // of a mailbox that is read for the first time, what came before is old
	boxAnew    = 48 * time.Hour // so far back one is read again whose numbers have changed
)

// posts keeps a postman for every mailbox.
type posts struct {
	room *Room
	wake chan struct{}

	mu      sync.Mutex
	cancel  context.CancelFunc
	done    chan struct{}
	postmen map[string]*postman
}

// postman reads one mailbox.
type postman struct {
	of     string // what he was sent to, to find out whether that still holds
	cancel context.CancelFunc
	done   chan struct{}
}

func newPosts(r *Room) *posts {
	return &posts{room: r, wake: make(chan struct{}, 1), postmen: map[string]*postman{}}
}

// kick has the list of mailboxes read now.
func (p *posts) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *posts) start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		return
	}
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.done = make(chan struct{})
	go p.run(ident.WithActor(ctx, ident.System), p.done)
}

func (p *posts) stop() {
	p.mu.Lock()
	cancel, done := p.cancel, p.done
	p.cancel = nil
	p.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (p *posts) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, m := range p.postmen {
				m.cancel()
			}
			for of, m := range p.postmen {
				<-m.done
				delete(p.postmen, of)
			}
			return
		case <-p.wake:
		case <-tick.C:
		}
		if err := p.send(ctx); err != nil && ctx.Err() == nil {
			p.room.o.Log.WarnContext(ctx, "mailboxes cannot be listed", "room", "intake", "err", err)
		}
		tick.Reset(boxesEvery)
	}
}

// send brings the postmen in line with the mailboxes that there are. Of several
// nodes the one that leads fetches.
func (p *posts) send(ctx context.Context) error {
	rows, err := p.room.boxes(ctx)
	if err != nil {
		return err
	}
	want := map[string]boxRow{}
	for _, row := range rows {
		want[string(row.TenantID)+"/"+row.Source] = row
	}
	for id, m := range p.postmen {
		row, ok := want[id]
		select {
		case <-m.done:
			ok = false
		default:
		}
		if !ok || m.of != row.sent() {
			m.cancel()
			<-m.done
			delete(p.postmen, id)
		}
	}
	for id, row := range want {
		if p.postmen[id] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ident.WithTenant(ctx, row.TenantID))
		m := &postman{of: row.sent(), cancel: cancel, done: make(chan struct{})}
		p.postmen[id] = m
		go func() {
			defer close(m.done)
			p.room.walk(ctx, row)
		}()
	}
	return nil
}

// sent tells one errand from another.
func (row boxRow) sent() string {
	return row.place() + "\n" + row.Security + "\n" + fmt.Sprintf("%x", sha256.Sum256(row.Secret)) + "\n" + row.Channel + "\n" + row.Route + "\n" + row.Urgent
}

// boxes are the mailboxes of sources that are not revoked.
func (r *Room) boxes(ctx context.Context) ([]boxRow, error) {
	if r.o.Leads != nil && !r.o.Leads() {
		return nil, nil
	}
	ctx = ident.AcrossTenants(ctx)
	var rows []boxRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).
		Where("EXISTS (SELECT 1 FROM intake_source AS s WHERE s.tenant_id = box_row.tenant_id AND s.name = box_row.source AND s.revoked_at IS NULL)").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("intake: mailboxes: %w", err)
	}
	return rows, nil
}

// walk reads a mailbox until ctx ends.
func (r *Room) walk(ctx context.Context, row boxRow) {
	for ctx.Err() == nil {
		err := r.visit(ctx, row)
		if ctx.Err() != nil {
			return
		}
		problem := "unreachable"
		if b, ok := errors.AsType[boxError](err); ok {
			problem = b.problem
		} else if fence.Refused(err) {
			problem = "outside"
		}
		r.o.Log.WarnContext(ctx, "mailbox not read", "room", "intake", "source", row.Source, "err", err)
		if err := r.looked(ctx, row, problem); err != nil && ctx.Err() == nil {
			r.o.Log.ErrorContext(ctx, "mailbox", "room", "intake", "source", row.Source, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(boxAgain):
		}
		if fresh, err := r.box(ctx, r.o.Store.Read(ctx), row.Source); err == nil && fresh.sent() == row.sent() {
			row = fresh
		}
	}
}

// boxError is an error with the word for it that people read.
type boxError struct {
	problem string
	err     error
}

func (e boxError) Error() string { return e.problem + ": " + e.err.Error() }
func (e boxError) Unwrap() error { return e.err }

// visit connects, and reads until something breaks.
func (r *Room) visit(ctx context.Context, row boxRow) error {
	password, err := r.o.Vault.Open(boxPurpose, row.Secret)
	if err != nil {
		return boxError{"login", err}
	}
	fresh := make(chan struct{}, 1)
	c, err := r.connect(ctx, row, fresh)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := c.Login(row.Login, string(password)).Wait(); err != nil {
		if said, ok := errors.AsType[*imap.Error](err); ok && said.Type == imap.StatusResponseTypeNo {
			return boxError{"login", err}
		}
		return err
	}
	box, err := c.Select(row.Folder, nil).Wait()
	if err != nil {
		if said, ok := errors.AsType[*imap.Error](err); ok && said.Type == imap.StatusResponseTypeNo {
			return boxError{"folder", err}
		}
		return err
	}
	for {
		if err := r.fetch(ctx, c, &row, box); err != nil {
			return err
		}
		if err := r.looked(ctx, row, ""); err != nil {
			return err
		}
		if err := r.rest(ctx, c, fresh); err != nil {
			return err
		}
	}
}

func (r *Room) connect(ctx context.Context, row boxRow, fresh chan struct{}) (*imapclient.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, boxConnect)
	defer cancel()
	dial := r.o.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(row.Host, strconv.Itoa(row.Port)))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // a greeting may never come
	defer stop()
	secure := &tls.Config{ServerName: row.Host, MinVersion: tls.VersionTLS12, RootCAs: r.o.Roots}
	o := &imapclient.Options{TLSConfig: secure, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(m *imapclient.UnilateralDataMailbox) {
			if m.NumMessages != nil {
				select {
				case fresh <- struct{}{}:
				default:
				}
			}
		},
	}}
	var c *imapclient.Client
	switch row.Security {
	case "tls":
		t := tls.Client(conn, secure)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, boxError{"tls", err}
		}
		c = imapclient.New(t, o)
	case "starttls":
		if c, err = imapclient.NewStartTLS(conn, o); err != nil {
			_ = conn.Close()
			return nil, boxError{"tls", err}
		}
		// The handshake comes with the first word.
		if err := c.Noop().Wait(); err != nil {
			_ = c.Close()
			return nil, boxError{"tls", err}
		}
		return c, nil
	default:
		c = imapclient.New(conn, o)
	}
	if err := c.WaitGreeting(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// rest waits until the server tells of new mails, or a while.
func (r *Room) rest(ctx context.Context, c *imapclient.Client, fresh chan struct{}) error {
	wait := boxPoll
	var idle *imapclient.IdleCommand
	if c.Caps().Has(imap.CapIdle) {
		var err error
		if idle, err = c.Idle(); err != nil {
			return err
		}
		wait = boxIdle
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-fresh:
	case <-c.Closed():
		return errors.New("intake: the server hung up")
	}
	if idle != nil {
		if err := idle.Close(); err != nil {
			return err
		}
		return idle.Wait()
	}
	return c.Noop().Wait()
}

// fetch takes what is new. A mail is marked as seen only when it is stored, and the
// mark is for people: what is new tells the number behind which we have read.
func (r *Room) fetch(ctx context.Context, c *imapclient.Client, row *boxRow, box *imap.SelectData) error {
	now, validity, last := r.o.Clock.Now(), box.UIDValidity, int64(0)
	criteria := &imap.SearchCriteria{}
	switch {
	case row.Validity == 0: // for the first time
		criteria.Since, criteria.NotFlag = now.Add(-boxOld), []imap.Flag{imap.FlagSeen}
		last = int64(box.UIDNext) - 1
	case row.Validity != int64(validity): // the server has numbered them anew
		criteria.Since = cmp.Or(row.LookedAt, now).Add(-boxAnew)
		row.UID, last = 0, int64(box.UIDNext)-1
	default:
		criteria.UID = []imap.UIDSet{{imap.UIDRange{Start: imap.UID(row.UID + 1)}}} // to the end
	}
	found, err := c.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return err
	}
	row.Validity = int64(validity)
	uids := found.AllUIDs()
	slices.Sort(uids)
	for _, uid := range uids {
		if int64(uid) <= row.UID {
			continue // "behind the last" is the last where there is none
		}
		if err := r.take1(ctx, c, *row, uid); err != nil {
			return err
		}
		row.UID = int64(uid)
	}
	row.UID = max(row.UID, last) // what was left out now is old
	return nil
}

// take1 takes one mail.
func (r *Room) take1(ctx context.Context, c *imapclient.Client, row boxRow, uid imap.UID) error {
	section := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: maxMailKept}}
	mails, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		return err
	}
	for _, m := range mails {
		if m.UID != uid || len(m.BodySection) == 0 {
			continue // somebody has deleted it meanwhile
		}
		data := m.BodySection[0].Bytes
		b := Body{ContentType: MailType, Data: data, Cut: m.RFC822Size > int64(len(data)) && len(data) >= maxMailKept}
		if l, err := readLetter(data); err != nil || l.ID == "" || row.Channel != "" {
			b.Path = []string{strconv.FormatInt(row.Validity, 10), strconv.FormatUint(uint64(uid), 10)} // its number here
		}
		if x := row.reception(); x.On() {
			// It is people's to read, and theirs to mark.
			src, err := r.get(ctx, r.o.Store.Read(ctx), row.Source)
			if err == nil && !src.RevokedAt.IsZero() {
				err = errNoAddress
			}
			if err == nil {
				err = r.receive(ctx, src, x, row.Login, b, cmp.Or(m.InternalDate, r.o.Clock.Now()))
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := r.fetched(ctx, row, b); err != nil {
			return err
		}
		seen := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen}, Silent: true}
		if err := c.Store(imap.UIDSetNum(uid), seen, nil).Close(); err != nil {
			if _, said := errors.AsType[*imap.Error](err); !said { // a mailbox that may only be read is read
				return err
			}
		}
	}
	return nil
}

// fetched stores a mail as if it had been sent to the source; it waits when too much
// arrives.
func (r *Room) fetched(ctx context.Context, row boxRow, b Body) error {
	src, err := r.get(ctx, r.o.Store.Read(ctx), row.Source)
	if err != nil {
		return err
	}
	if !src.RevokedAt.IsZero() {
		return errNoAddress
	}
	b.Data = bytes.Clone(b.Data)
	for {
		err := r.takeFrom(ctx, r.acquaint(ctx, src), b, false)
		if fault.KindOf(err) != fault.Unavailable || err == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

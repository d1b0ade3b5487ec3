// Package modem sends short messages through a modem in the town's own house: it
// hands them to gammu-smsd by its FILES interface.
//
// A message is a file in gammu's outbox folder. The daemon moves it to its folder
// of sent messages once the modem has it, or to that of errors; that move is the
// receipt ([channel.Receipt]). A file that nobody fetches is taken back, so that
// the next way can carry the message and it does not go out hours later, too.
//
// The way needs no Internet: it works when the line is gone. It needs a SIM card,
// and a modem takes some seconds for each message, so it has a slow pace.
//
// The package opens no connection and stores nothing but these files. The folder
// and the daemon are the operator's.
package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"tuermer/internal/town/channel"
)

// Options are one modem.
type Options struct {
	Name   string
	Realm  channel.Realm
	Folder string // holds gammu's outbox, sent and error
	Price  channel.Price
	Rate   float64       // messages a second; default one in four seconds
	Wait   time.Duration // for the daemon to send one message; default 10 s
	Every  time.Duration // between two looks; default 200 ms
	Now    func() time.Time
}

// Adapter is the way through one modem.
type Adapter struct {
	o    Options
	turn chan struct{} // the modem sends one after the other
}

var (
	_ channel.Pacer  = (*Adapter)(nil)
	_ channel.Priced = (*Adapter)(nil)
	_ channel.Prober = (*Adapter)(nil)
)

// New checks the options; it looks at no folder.
func New(o Options) (*Adapter, error) {
	if o.Realm == "" {
		o.Realm = channel.Live
	}
	if o.Rate == 0 {
		o.Rate = 0.25
	}
	if o.Wait == 0 {
		o.Wait = 10 * time.Second
	}
	if o.Every == 0 {
		o.Every = 200 * time.Millisecond
	}
	if o.Name == "" || !filepath.IsAbs(o.Folder) || o.Now == nil || o.Rate < 0 {
		return nil, fmt.Errorf("modem %q: needs a name, a clock and a folder that begins with /", o.Name)
	}
	return &Adapter{o: o, turn: make(chan struct{}, 1)}, nil
}

// Kind is always [channel.SMS].
func (a *Adapter) Kind() channel.Kind { return channel.SMS }

// Route is the configured name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the way may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// Pace is how much a modem takes.
func (a *Adapter) Pace() (perSecond float64, burst int) { return a.o.Rate, 1 }

// Price is what one part costs.
func (a *Adapter) Price() channel.Price { return a.o.Price }

func (a *Adapter) folder(name string) string { return filepath.Join(a.o.Folder, name) }

// Check finds out whether the folders are there and can be written to.
func (a *Adapter) Check(context.Context) error {
	for _, name := range []string{"outbox", "sent", "error"} {
		if info, err := os.Stat(a.folder(name)); err != nil || !info.IsDir() {
			return &channel.Failure{RouteDown: true, Reason: "config", Err: errors.Join(fmt.Errorf("gammu's folder %s is not there", name), err)}
		}
	}
	return nil
}

var (
	numberForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	unsafeSign = regexp.MustCompile(`[^A-Za-z0-9-]`)
)

// Send puts the message into the outbox folder and waits until the daemon has
// moved it. Its error is a [*channel.Failure].
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	if !numberForm.MatchString(m.To) { // it becomes part of a file's name
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "config", Err: errors.New("the number is not written in full, with its country")}
	}
	if err := a.Check(ctx); err != nil {
		return channel.Receipt{}, err
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return channel.Receipt{}, &channel.Failure{Reason: "timeout", Err: ctx.Err()}
	}
	text := channel.PlainSMS(m.Text)
	_, _, parts := channel.Segments(text)
	// OUT, priority, date, time, serial number, phone, name: gammu's own form. The
	// same message has the same name, so a second try overwrites the first.
	priority := "C"
	if m.Class == channel.Alarm {
		priority = "A"
	}
	id := unsafeSign.ReplaceAllString(m.ID, "-")
	name := fmt.Sprintf("OUT%s%s_00_%s_%s.txt", priority, m.Date.UTC().Format("20060102_150405"), m.To, id[max(0, len(id)-60):])
	rc := channel.Receipt{Route: a.o.Name, Reference: name, Parts: parts}
	if a.is("sent", name) {
		return rc, nil // an earlier try, cut off before its end was noted
	}
	// Written beside the outbox and moved in: the daemon reads no half file.
	draft := filepath.Join(a.o.Folder, "."+name)
	if err := errors.Join(os.WriteFile(draft, []byte(text), 0o640), os.Rename(draft, filepath.Join(a.folder("outbox"), name))); err != nil {
		_ = os.Remove(draft)
		return channel.Receipt{}, &channel.Failure{RouteDown: true, Reason: "config", Err: plain(err)}
	}
	return a.watch(ctx, name, rc)
}

// watch waits for the daemon's move.
func (a *Adapter) watch(ctx context.Context, name string, rc channel.Receipt) (channel.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, a.o.Wait)
	defer cancel()
	tick := time.NewTicker(a.o.Every)
	defer tick.Stop()
	for {
		switch {
		case a.is("sent", name):
			return rc, nil
		case a.is("error", name):
			// The daemon has tried as often as it was told to. It keeps the file;
			// its name is free for the next try.
			_ = os.Remove(filepath.Join(a.folder("error"), name))
			return rc, &channel.Failure{RouteDown: true, Reason: "rejected", Err: errors.New("gammu-smsd could not send it")}
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		err := os.Remove(filepath.Join(a.folder("outbox"), name))
		if errors.Is(err, fs.ErrNotExist) && a.is("sent", name) {
			return rc, nil // it was moved just now
		}
		return rc, &channel.Failure{RouteDown: true, Reason: "timeout", Err: errors.New("gammu-smsd does not fetch it")}
	}
}

func (a *Adapter) is(folder, name string) bool {
	_, err := os.Stat(filepath.Join(a.folder(folder), name))
	return err == nil
}

// plain is an error without the file's name, in which a number stands.
func plain(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return errors.New(strings.SplitN(err.Error(), ":", 2)[0])
}

package intake_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
)

// desk is who is on duty for a channel, and what was answered.
type desk struct {
	talkative
	now  time.Time
	on   bool
	next time.Time
	fail error
	sent []channel.Message
	told []signal.Signal
}

func (d *desk) Record(_ context.Context, s signal.Signal) (signal.Signal, error) {
	d.told = append(d.told, s)
	return s, nil
}

func (d *desk) RecordAll(context.Context, []signal.Signal) error { return nil }

func (d *desk) Now() time.Time { return d.now }

func (d *desk) Send(_ context.Context, m channel.Message) error {
	d.sent = append(d.sent, m)
	return nil
}

func (b *bench) withDesk(d *desk) {
	o := intake.OptionsOf(b.room)
	o.Vault, o.Clock, o.Outbox, o.Signals = sealer{}, d, d, d
	o.Attended = func(_ context.Context, channel string, _ time.Time) (bool, time.Time, error) {
		if channel != "Pressestelle" {
			return false, time.Time{}, errors.New("another channel")
		}
		return d.on, d.next, d.fail
	}
	b.room.Stop()
	b.room = intake.New(o)
	b.t.Cleanup(b.room.Stop)
}

func letter(id, from, subject, text string, more ...string) string {
	head := []string{"From: " + from, "To: presse@musterstadt.example", "Message-ID: <" + id + "@web.example>", "Subject: " + subject}
	return strings.Join(append(head, more...), "\r\n") + "\r\n\r\n" + text + "\r\n"
}

// In an hour in which nobody is on duty a person is answered once a day, and what is
// urgent is an alarm of its own; no machine is ever answered.
func TestLettersAreAnswered(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		d := &desk{now: time.Date(2027, 6, 1, 21, 30, 0, 0, time.UTC), next: time.Date(2027, 6, 2, 5, 0, 0, 0, time.UTC)}
		b.withDesk(d)
		b.add(intake.Source{Title: "Presse", Format: intake.Mail})
		m := intake.Mailbox{Host: "imap.example", Security: "tls", Login: "presse@musterstadt.example", Password: "geheim", Reception: intake.Reception{Channel: "Pressestelle"}}
		if err := b.room.SetMailbox(w.Ctx, "presse", m); fault.KindOf(err) != fault.Invalid {
			t.Fatal("an answer without an emergency route:", err)
		}
		m.Reception.Route = "Rufbereitschaft 0611 123456"
		if err := b.room.SetMailbox(w.Ctx, "presse", m); err != nil {
			t.Fatal(err)
		}
		got, _, err := b.room.Mailbox(w.Ctx, "presse")
		if err != nil || got.Reception.Channel != "Pressestelle" || got.Reception.Route != m.Reception.Route {
			t.Fatal(got, err)
		}
		come := func(mail string) {
			t.Helper()
			if err := intake.Receive(b.room, w.Ctx, "presse", []byte(mail), d.now); err != nil {
				t.Fatal(err)
			}
		}
		outcome := func(want intake.Outcome, urgent bool, answers int) {
			t.Helper()
			all, err := b.room.Letters(w.Ctx, "presse")
			if err != nil || len(all) == 0 {
				t.Fatal(all, err)
			}
			if all[0].Outcome != want || all[0].Urgent != urgent || len(d.sent) != answers {
				t.Fatalf("%+v, %d answers; want %s, urgent %v, %d answers", all[0], len(d.sent), want, urgent, answers)
			}
			d.now = d.now.Add(time.Minute)
		}
		come(letter("1", "Jonas <Jonas@web.example>", "Anfrage", "Guten Abend, wann ist das Rathaus offen?"))
		outcome(intake.Answered, false, 1)
		a := d.sent[0]
		if a.To != "jonas@web.example" || !a.Reply || a.InReplyTo != "<1@web.example>" || strings.Contains(a.Subject+a.Text, "Anfrage") || strings.Contains(a.Text, "Rathaus offen") {
			t.Errorf("%+v", a)
		}
		for _, want := range []string{"Pressestelle ist zurzeit nicht besetzt", "02.06.2027, 05:00 Uhr", "Rufbereitschaft 0611 123456", "Nobody is on duty"} {
			if !strings.Contains(a.Text, want) {
				t.Errorf("the answer lacks %q:\n%s", want, a.Text)
			}
		}
		// The same letter read again does nothing; another of the same day has no second answer.
		come(letter("1", "Jonas <Jonas@web.example>", "Anfrage", "Guten Abend, wann ist das Rathaus offen?"))
		outcome(intake.Answered, false, 1)
		come(letter("2", "jonas@web.example", "DRINGENDE Nachfrage", "Die Warnung ist falsch."))
		outcome(intake.Once, true, 1)
		come(letter("3", "kim@web.example", "Hallo", "Hallo", "Importance: high"))
		outcome(intake.Answered, true, 2)
		for i, head := range []string{"Auto-Submitted: auto-replied", "Auto-Submitted: auto-generated", "Return-Path: <>", "X-Auto-Response-Suppress: All"} {
			come(letter(fmt.Sprint("m", i), "li@web.example", "Notfall", "dringend", head))
			outcome(intake.Automatic, true, 2)
		}
		for i, head := range []string{"List-Id: <x.example>", "Precedence: bulk"} {
			come(letter(fmt.Sprint("l", i), "li@web.example", "Brief", "Text", head))
			outcome(intake.FromList, false, 2)
		}
		come(letter("d", "MAILER-DAEMON@web.example", "Undelivered", "x"))
		outcome(intake.Automatic, false, 2)
		come(letter("o", "presse@musterstadt.example", "Wir selbst", "x"))
		outcome(intake.Automatic, false, 2)
		come("Subject: Notfall\r\n\r\nEs brennt\r\n")
		outcome(intake.Anonymous, true, 2)
		if err := intake.Receive(b.room, w.Ctx, "presse", []byte(letter("old", "mo@web.example", "Alt", "x")), d.now.Add(-25*time.Hour)); err != nil {
			t.Fatal(err)
		}
		outcome(intake.Late, false, 2)
		// Somebody is on duty: theirs to read.
		d.on = true
		come(letter("4", "noa@web.example", "Notfall", "x"))
		outcome(intake.Attended, true, 2)
		// Who cannot tell who is on duty answers, and names no hour.
		d.fail = errors.New("away")
		come(letter("5", "noa@web.example", "Frage", "x", "Return-Path: <bounce@web.example>"))
		outcome(intake.Automatic, false, 2) // a machine's return path
		come(letter("6", "ole@web.example", "Frage", "x", "Return-Path: <ole@haus.example>"))
		outcome(intake.Answered, false, 3)
		if m := d.sent[2]; m.To != "ole@haus.example" || strings.Contains(m.Text, "Wieder besetzt") {
			t.Errorf("%+v", m)
		}
		d.fail, d.on = nil, false
		// A day later the first one is answered again.
		d.now = d.now.Add(25 * time.Hour)
		come(letter("7", "jonas@web.example", "Noch einmal", "x"))
		outcome(intake.Answered, false, 4)
		want := 3 // 2, 3, and the one without a sender
		if len(d.told) != want {
			t.Errorf("%d alarms, want %d: %v", len(d.told), want, d.told)
		}
		keys := map[string]bool{}
		for _, x := range d.told {
			keys[x.Key] = true
			if x.Severity != signal.Critical || !strings.Contains(x.Title, "Pressestelle") {
				t.Errorf("%+v", x)
			}
		}
		if len(keys) != want {
			t.Error("one urgent letter hides another")
		}
	})
}

// Forged senders make no mill of us.
func TestAnswersAreBounded(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	d := &desk{now: time.Date(2027, 6, 1, 21, 30, 0, 0, time.UTC)}
	b.withDesk(d)
	b.add(intake.Source{Title: "Presse", Format: intake.Mail})
	if err := b.room.SetMailbox(w.Ctx, "presse", intake.Mailbox{Host: "imap.example", Login: "presse", Password: "x", Reception: intake.Reception{Channel: "Pressestelle", Route: "112"}}); err != nil {
		t.Fatal(err)
	}
	for i := range 230 {
		if err := intake.Receive(b.room, w.Ctx, "presse", []byte(letter(fmt.Sprint(i), fmt.Sprintf("s%d@web.example", i), "Frage", "x")), d.now); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.sent) != 200 {
		t.Errorf("%d answers", len(d.sent))
	}
	d.now = d.now.Add(61 * time.Minute)
	if err := intake.Receive(b.room, w.Ctx, "presse", []byte(letter("x", "neu@web.example", "Frage", "x")), d.now); err != nil || len(d.sent) != 201 {
		t.Error(err, len(d.sent))
	}
}

// Whatever a letter looks like: one that says it is a machine's is never answered,
// and to whom an answer goes is one plain address.
func FuzzLetter(f *testing.F) {
	f.Add(letter("1", "a@b.example", "x", "y"))
	f.Add(letter("1", "a@b.example", "x", "y", "Auto-Submitted: auto-replied"))
	f.Add("From: <>\r\nReturn-Path: <a@b>\r\n\r\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, mail string) {
		to, id, refused := intake.Penned([]byte(mail))
		if refused == "" && (strings.Count(to, "@") == 0 || strings.ContainsAny(to, "\r\n <>,;\"")) {
			t.Errorf("answers to %q", to)
		}
		if strings.ContainsAny(id, "\r\n ") {
			t.Errorf("names %q", id)
		}
		marked := "Auto-Submitted: auto-replied\r\n" + strings.TrimLeft(mail, "\r\n")
		if _, _, refused := intake.Penned([]byte(marked)); refused == "" {
			t.Error("a machine is answered")
		}
	})
}

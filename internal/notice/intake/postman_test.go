package intake_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/storetest"
)

// sealer hides nothing; the vault has tests of its own.
type sealer struct{}

func (sealer) Seal(purpose string, plain []byte) ([]byte, error) {
	return append([]byte(purpose+":"), plain...), nil
}

func (sealer) Open(purpose string, sealed []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(string(sealed), purpose+":")
	if !ok {
		return nil, fmt.Errorf("not for %s", purpose)
	}
	return []byte(rest), nil
}

// letterbox is a mail server with one user.
type letterbox struct {
	user *imapmemserver.User
	port int
}

func newLetterbox(t *testing.T) *letterbox {
	t.Helper()
	mem := imapmemserver.New()
	u := imapmemserver.NewUser("prtg", "geheim")
	for _, box := range []string{"INBOX", "Meldungen"} {
		if err := u.Create(box, nil); err != nil {
			t.Fatal(err)
		}
	}
	mem.AddUser(u)
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, InsecureAuth: true, Logger: quiet{},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return &letterbox{u, l.Addr().(*net.TCPAddr).Port}
}

// quiet is a log that nobody reads.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func (b *letterbox) put(t *testing.T, box, mail string) {
	t.Helper()
	if _, err := b.user.Append(box, strings.NewReader(mail), &imap.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
}

// unseen is how many mails nobody has seen.
func (b *letterbox) unseen(t *testing.T, box string) uint32 {
	t.Helper()
	s, err := b.user.Status(box, &imap.StatusOptions{NumUnseen: true})
	if err != nil {
		t.Fatal(err)
	}
	return *s.NumUnseen
}

func (b *bench) withVault() {
	o := intake.OptionsOf(b.room)
	o.Vault = sealer{}
	b.room.Stop()
	b.room = intake.New(o)
	b.t.Cleanup(b.room.Stop)
}

// eventually waits for what happens elsewhere.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// What stands in a mailbox is fetched, marked as seen once it is stored, told once
// also after a new start, and also when the server numbers its mails anew.
func TestMailboxIsRead(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		b.withVault()
		box := newLetterbox(t)
		b.add(intake.Source{Title: "PRTG", Format: intake.Mail, Rhythm: time.Hour})
		box.put(t, "Meldungen", mailOf("1", "[PRTG] srv1 Ping Down (weg)"))
		m := intake.Mailbox{Host: "127.0.0.1", Port: box.port, Security: "none", Login: "prtg", Password: "geheim", Folder: "Meldungen"}
		if err := b.room.SetMailbox(w.Ctx, "prtg", m); err != nil {
			t.Fatal(err)
		}
		if err := b.room.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		b.until("intake:prtg:srv1 Ping firing critical")
		eventually(t, "seen", func() bool { return box.unseen(t, "Meldungen") == 0 })
		looked := func() bool {
			got, ok, err := b.room.Mailbox(w.Ctx, "prtg")
			return err == nil && ok && got.Problem == "" && !got.LookedAt.IsZero()
		}
		eventually(t, "looked", looked)

		// A new start reads what came meanwhile, and nothing twice.
		b.withVault()
		box.put(t, "Meldungen", mailOf("2", "[PRTG] srv1 Ping Down ended (now: Up) (OK)"))
		if err := b.room.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		b.until("intake:prtg:srv1 Ping firing critical", "intake:prtg:srv1 Ping resolved critical")
		eventually(t, "seen again", func() bool { return box.unseen(t, "Meldungen") == 0 })

		// The mailbox is made anew, with the old mails and one more.
		b.withVault()
		if err := box.user.Delete("Meldungen"); err != nil {
			t.Fatal(err)
		}
		if err := box.user.Create("Meldungen", nil); err != nil {
			t.Fatal(err)
		}
		for _, mail := range []string{mailOf("1", "[PRTG] srv1 Ping Down (weg)"), mailOf("2", "[PRTG] srv1 Ping Down ended (now: Up) (OK)"), mailOf("3", "[PRTG] srv2 Ping Down (weg)")} {
			box.put(t, "Meldungen", mail)
		}
		if err := b.room.Start(w.Ctx); err != nil {
			t.Fatal(err)
		}
		b.until("intake:prtg:srv1 Ping firing critical", "intake:prtg:srv1 Ping resolved critical", "intake:prtg:srv2 Ping firing critical")

		// The wrong password is said on the page, and to whom it belongs.
		m.Password = "falsch"
		if err := b.room.SetMailbox(w.Ctx, "prtg", m); err != nil {
			t.Fatal(err)
		}
		eventually(t, "login", func() bool { got, _, err := b.room.Mailbox(w.Ctx, "prtg"); return err == nil && got.Problem == "login" })
		m.Password, m.Host = "", "127.0.0.2"
		if err := b.room.SetMailbox(w.Ctx, "prtg", m); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("the password goes to another machine: %v", err)
		}
		nobody := ident.WithActor(w.Ctx, ident.Actor{Name: "Gast"})
		if _, _, err := b.room.Mailbox(nobody, "prtg"); fault.KindOf(err) != fault.Forbidden || err == nil {
			t.Error(err)
		}
		if err := b.room.DropMailbox(w.Ctx, "prtg"); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := b.room.Mailbox(w.Ctx, "prtg"); ok || err != nil {
			t.Error(ok, err)
		}
		if err := b.room.DropMailbox(w.Ctx, "prtg"); fault.KindOf(err) != fault.NotFound || err == nil {
			t.Error(err)
		}
	})
}

// What was in a mailbox long before Türmer looks into it for the first time alarms
// nobody.
func TestOldMailsStayOld(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	b.withVault()
	box := newLetterbox(t)
	old := mailOf("1", "alt down")
	if _, err := box.user.Append("INBOX", strings.NewReader(old), &imap.AppendOptions{Time: time.Now().Add(-100 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	b.add(intake.Source{Title: "USV", Format: intake.Mail})
	if err := b.room.SetMailbox(w.Ctx, "usv", intake.Mailbox{Host: "127.0.0.1", Port: box.port, Security: "none", Login: "prtg", Password: "geheim"}); err != nil {
		t.Fatal(err)
	}
	if err := b.room.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "looked", func() bool { got, _, err := b.room.Mailbox(w.Ctx, "usv"); return err == nil && !got.LookedAt.IsZero() })
	b.withVault()
	box.put(t, "INBOX", mailOf("2", "neu down"))
	if err := b.room.Start(w.Ctx); err != nil {
		t.Fatal(err)
	}
	b.until("intake:usv:neu firing critical")
}

// Debian's dovecot keeps a mailbox: its IDLE brings a mail within moments, it hangs
// up and comes back, and a certificate that nobody vouches for is refused.
func TestDovecotMailbox(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("dovecot starts as root alone")
	}
	if _, err := os.Stat("/usr/lib/dovecot/imap"); err != nil {
		t.Skip("dovecot is not installed (script/setup)")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	group, err := user.LookupGroupId(nobody.Gid)
	if err != nil {
		t.Skip(err)
	}
	mails := filepath.Join(dir, "mails")
	if err := os.Mkdir(mails, 0o777); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "nobody", mails).CombinedOutput(); err != nil {
		t.Skip(string(out))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	conf := filepath.Join(dir, "dovecot.conf")
	text := fmt.Sprintf("protocols = imap\nbase_dir = %[1]s/run\nstate_dir = %[1]s/state\nlog_path = %[1]s/log\nssl = no\ndisable_plaintext_auth = no\nlisten = 127.0.0.1\n"+
		"default_internal_user = nobody\ndefault_internal_group = %[3]s\ndefault_login_user = nobody\nfirst_valid_uid = 1\nfirst_valid_gid = 0\nmail_location = maildir:%[1]s/mails\nmail_uid = nobody\nmail_gid = %[3]s\n"+
		"service imap-login {\n  chroot =\n  inet_listener imap {\n    port = %[2]d\n  }\n  inet_listener imaps {\n    port = 0\n  }\n}\nservice anvil {\n  chroot =\n}\nservice stats {\n  chroot =\n}\n"+
		"passdb {\n  driver = static\n  args = password=geheim\n}\nuserdb {\n  driver = static\n  args = uid=nobody gid=%[3]s home=%[1]s/mails\n}\n", dir, port, group.Name)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", port)
	run := func() func() {
		cmd := exec.Command("/usr/sbin/dovecot", "-F", "-c", conf)
		var said strings.Builder
		cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, 5*time.Second
		if err := cmd.Start(); err != nil {
			t.Skipf("dovecot does not start here: %v", err)
		}
		exited := make(chan struct{})
		go func() { _ = cmd.Wait(); close(exited) }()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			c, err := net.Dial("tcp", at)
			if err == nil {
				_ = c.Close()
				break
			}
			select {
			case <-exited:
				t.Skipf("dovecot does not run here: %s", said.String())
			default:
			}
			if time.Now().After(end) {
				t.Fatal("dovecot does not answer")
			}
		}
		return func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-exited:
			case <-time.After(2 * time.Second): // it waits for its children
				_ = cmd.Process.Kill()
				<-exited
			}
		}
	}
	stop := run()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("dovecot said: %.3000s", log)
		}
	})
	deliver := func(mail string) {
		t.Helper()
		c, err := imapclient.DialInsecure(at, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Login("prtg", "geheim").Wait(); err != nil {
			t.Fatal(err)
		}
		a := c.Append("INBOX", int64(len(mail)), nil)
		if _, err := io.WriteString(a, mail); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	b.withVault()
	b.add(intake.Source{Title: "PRTG", Format: intake.Mail})
	deliver(mailOf("1", "[PRTG] srv1 Ping Down (weg)"))
	if err := b.room.SetMailbox(w.Ctx, "prtg", intake.Mailbox{Host: "127.0.0.1", Port: port, Security: "none", Login: "prtg", Password: "geheim"}); err != nil {
		t.Fatal(err)
	}
	if err := b.room.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.until("intake:prtg:srv1 Ping firing critical")
	eventually(t, "read", func() bool { got, _, err := b.room.Mailbox(w.Ctx, "prtg"); return err == nil && !got.LookedAt.IsZero() })
	began := time.Now()
	deliver(mailOf("2", "[PRTG] srv1 Ping Down ended (now: Up) (OK)"))
	b.until("intake:prtg:srv1 Ping firing critical", "intake:prtg:srv1 Ping resolved critical")
	t.Logf("IDLE: told after %v", time.Since(began).Round(time.Millisecond))

	// The server goes away and comes back with one more mail.
	stop()
	eventually(t, "unreachable", func() bool {
		got, _, err := b.room.Mailbox(w.Ctx, "prtg")
		return err == nil && got.Problem == "unreachable" && !got.FailingAt.IsZero()
	})
	stop = run()
	deliver(mailOf("3", "[PRTG] srv2 Ping Down (weg)"))
	b.withVault() // a restart asks at once, not after a minute
	if err := b.room.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.until("intake:prtg:srv1 Ping firing critical", "intake:prtg:srv1 Ping resolved critical", "intake:prtg:srv2 Ping firing critical")
	if err := b.room.SetMailbox(w.Ctx, "prtg", intake.Mailbox{Host: "127.0.0.1", Port: port, Security: "tls", Login: "prtg"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no TLS there", func() bool { got, _, err := b.room.Mailbox(w.Ctx, "prtg"); return err == nil && got.Problem == "tls" })
}

package intake_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tuermer/internal/notice/intake"
	"tuermer/internal/platform/storetest"
)

// mailbox opens a mail server for the bench on loopback.
func (b *bench) postOffice() string {
	b.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	s := b.room.ServeMail(l, intake.MailOptions{Domain: "lage.example"})
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			b.t.Error(err)
		}
	})
	return l.Addr().String()
}

func mailOf(id, subject string) string {
	return "From: prtg@rathaus.example\r\nMessage-ID: <" + id + "@rathaus.example>\r\nSubject: " + subject + "\r\n\r\nText\r\n"
}

func codeOf(err error) int {
	if said, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return said.Code
	}
	return 0
}

// send brings a mail to addresses and answers the code of a refusal.
func send(t *testing.T, at, mail string, to ...string) int {
	t.Helper()
	c, err := smtp.Dial(at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.SendMail("prtg@rathaus.example", to, strings.NewReader(mail))
	if err != nil && codeOf(err) == 0 {
		t.Fatal(err)
	}
	return codeOf(err)
}

// What comes by mail is stored before the 250, alarms, ends, and counts once however
// often its mail server brings it, also behind the recovery.
func TestMailServer(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		token := b.add(intake.Source{Title: "PRTG", Format: intake.Mail, Rhythm: time.Hour})
		http := b.add(intake.Source{Title: "Kuma", Format: intake.Kuma})
		at := b.postOffice()
		down, up := mailOf("1", "[PRTG] srv1 Ping Down (weg)"), mailOf("2", "[PRTG] srv1 Ping Down ended (now: Up) (OK)")
		for i, mail := range []string{down, down, up, down, up} {
			to := []string{token + "@lage.example", "meldung+" + strings.ToUpper(token) + "@anders.example"}[i%2]
			if code := send(t, at, mail, to); code != 0 {
				t.Fatal(i, code)
			}
		}
		b.until("intake:prtg:srv1 Ping firing critical", "intake:prtg:srv1 Ping resolved critical")
		seen, err := b.room.Seen(w.Ctx, intake.Source{Name: "prtg", Format: intake.Mail})
		i := slices.IndexFunc(seen, func(s intake.Seen) bool { return strings.Contains(s.Text(), "Subject: [PRTG] srv1 Ping Down (weg)") })
		if err != nil || len(seen) != 2 || i < 0 || seen[i].Times != 3 || seen[i].Reports[0].Detail != "weg" {
			t.Fatalf("%+v, %v", seen, err)
		}
		for _, to := range []string{"ada@lage.example", http + "@lage.example", intake.TokenPrefix + strings.Repeat("x", 26) + "@lage.example"} {
			if code := send(t, at, down, to); code != 550 {
				t.Errorf("%s: %d", to, code)
			}
		}
		// A mail without a number may be said twice on purpose.
		plain := "Subject: Aufzug Nord Alarm\r\n\r\n"
		for _, mail := range []string{plain, "Subject: Aufzug Nord OK\r\n\r\n", plain} {
			if code := send(t, at, mail, token+"@lage.example"); code != 0 {
				t.Fatal(code)
			}
		}
		b.until("intake:prtg:srv1 Ping firing critical", "intake:prtg:srv1 Ping resolved critical",
			"intake:prtg:Aufzug Nord firing critical", "intake:prtg:Aufzug Nord resolved critical", "intake:prtg:Aufzug Nord firing critical")
		if err := b.room.Revoke(w.Ctx, "prtg"); err != nil {
			t.Fatal(err)
		}
		if code := send(t, at, down, token+"@lage.example"); code != 550 {
			t.Errorf("revoked: %d", code)
		}
	})
}

// What cannot be stored is answered by 4xx, so that the sender's mail server keeps it.
func TestMailIsTakenOnlyWhenStored(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	o := intake.OptionsOf(b.room)
	o.Signals = b
	r := intake.New(o)
	t.Cleanup(r.Stop)
	b.room = r
	token := b.add(intake.Source{Title: "PRTG", Format: intake.Mail})
	at := b.postOffice()
	b.fail = errors.New("the disk is full")
	if code := send(t, at, mailOf("1", "srv1 down"), token+"@x"); code != 451 {
		t.Fatal(code)
	}
	b.mu.Lock()
	b.fail = nil
	b.mu.Unlock()
	if code := send(t, at, mailOf("1", "srv1 down"), token+"@x"); code != 0 {
		t.Fatal(code)
	}
}

// What a stranger does keeps nobody else out: guesses end a conversation, long
// mails are kept by their beginning, commands may come all at once, and one machine
// has only so many conversations.
func TestMailServerKeepsItsBounds(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	token := b.add(intake.Source{Title: "PRTG", Format: intake.Mail})
	at := b.postOffice()

	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(50 * time.Second))                                                 // less than what a quiet line may take
	fmt.Fprint(conn, "EHLO x\r\nMAIL FROM:<a@b>\r\n"+strings.Repeat("RCPT TO:<ada@lage.example>\r\n", 50)) // pipelined
	in := textproto.NewReader(bufio.NewReader(conn))
	var refused, enough int
	for {
		l, err := in.ReadLine()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the conversation goes on")
			}
			break
		}
		switch {
		case strings.HasPrefix(l, "550"):
			refused++
		case strings.HasPrefix(l, "421"):
			enough++
		}
	}
	if refused != 5 || enough == 0 {
		t.Errorf("%d refused, %d times enough", refused, enough)
	}

	long := mailOf("3", "srv1 Ping down") + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 20_000)
	if code := send(t, at, long, token+"@lage.example"); code != 0 {
		t.Fatal(code)
	}
	b.until("intake:prtg:srv1 Ping firing critical")
	if seen, err := b.room.Seen(w.Ctx, intake.Source{Name: "prtg", Format: intake.Mail}); err != nil || len(seen) != 1 || len(seen[0].Body.Data) > 600<<10 {
		t.Fatal(len(seen), err)
	}
	if code := send(t, at, mailOf("4", "x")+strings.Repeat(strings.Repeat("x", 998)+"\r\n", 27_000), token+"@lage.example"); code != 552 {
		t.Errorf("too long: %d", code)
	}

	var open []net.Conn
	busy := false
	for range 60 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		l, _ := bufio.NewReader(c).ReadString('\n')
		busy = busy || strings.HasPrefix(l, "421")
	}
	for _, c := range open {
		_ = c.Close()
	}
	if !busy {
		t.Error("sixty at once from one machine")
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // they hang up, the door opens
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		l, _ := bufio.NewReader(c).ReadString('\n')
		_ = c.Close()
		if strings.HasPrefix(l, "220") {
			break
		}
		if time.Now().After(end) {
			t.Fatal(l)
		}
	}
}

// A storm by mail, from many at once, is all there.
func TestMailStorm(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	token := b.add(intake.Source{Title: "PRTG", Format: intake.Mail})
	at := b.postOffice()
	var wg sync.WaitGroup
	for s := range 10 {
		wg.Go(func() {
			c, err := smtp.Dial(at)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range 20 {
				if err := c.SendMail("a@b", []string{token + "@x"}, strings.NewReader(mailOf(fmt.Sprint(s, "-", i), fmt.Sprintf("[PRTG] srv%d-%d Ping Down (weg)", s, i)))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var n int
	if err := w.Store.Read(w.Ctx).NewRaw("SELECT count(*) FROM signal_key WHERE tenant_id = 't1' AND state = 'firing'").Scan(w.Ctx, &n); err != nil || n != 200 {
		t.Fatal(n, err)
	}
}

// Debian's postfix brings mails to us, as a town hall's mail server does: its own
// queue, its own retries. While we cannot store, it keeps the mail and brings it
// later.
func TestPostfixRelays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("postfix starts as root alone")
	}
	master, err := exec.LookPath("/usr/lib/postfix/sbin/master")
	if err != nil {
		t.Skip("postfix is not installed (script/setup)")
	}
	w := storetest.SQLite(t, rooms...)
	b := newBench(t, w)
	token := b.add(intake.Source{Title: "PRTG", Format: intake.Mail})
	at := b.postOffice()
	relay := startPostfix(t, master, at)
	if code := send(t, relay, mailOf("1", "[PRTG] srv1 Ping Down (weg)"), token+"@lage.example"); code != 0 {
		t.Fatal(code)
	}
	b.until("intake:prtg:srv1 Ping firing critical")
	if code := send(t, relay, mailOf("2", "=?utf-8?Q?[PRTG]_srv1_Ping_Down_ended_(now:_Up)_(l=C3=A4uft)?="), token+"@lage.example"); code != 0 {
		t.Fatal(code)
	}
	b.until("intake:prtg:srv1 Ping firing critical", "intake:prtg:srv1 Ping resolved critical")
}

// startPostfix runs a postfix of its own that relays everything to an address.
func startPostfix(t *testing.T, master, to string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	conf, queue, data := filepath.Join(dir, "etc"), filepath.Join(dir, "queue"), filepath.Join(dir, "data")
	for _, d := range []string{conf, queue, data} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	who, err := user.Lookup("postfix")
	if err != nil {
		t.Skip("postfix has no user of its own")
	}
	uid, _ := strconv.Atoi(who.Uid)
	if err := os.Chown(data, uid, -1); err != nil {
		t.Skip(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay := l.Addr().String()
	_ = l.Close()
	host, port, _ := net.SplitHostPort(to)
	main := fmt.Sprintf("compatibility_level = 3.6\nqueue_directory = %s\ndata_directory = %s\nmail_owner = postfix\nsetgid_group = postdrop\nmyhostname = rathaus.example\n"+
		"mydestination =\nlocal_recipient_maps =\nmynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nrelayhost = [%s]:%s\n"+
		"smtpd_relay_restrictions = permit_mynetworks, reject\nmaillog_file = %s\nmaillog_file_prefixes = %s\ndaemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\n"+
		"minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\nsmtputf8_enable = no\nalias_maps =\n",
		queue, data, host, port, filepath.Join(dir, "log"), dir)
	daemons := relay + " inet n - n - - smtpd\n" +
		"pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 1 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n" +
		"bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\n" +
		"error unix - - n - - error\nretry unix - - n - - error\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\nproxymap unix - - n - - proxymap\npostlog unix-dgram n - n - 1 postlogd\n"
	for name, text := range map[string]string{"main.cf": main, "master.cf": daemons} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("/usr/sbin/postfix", "-c", conf, "check").CombinedOutput(); err != nil {
		t.Skipf("postfix does not run here: %v %s", err, out)
	}
	cmd := exec.Command(master, "-c", conf, "-d")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Skipf("postfix does not start here: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("postfix said: %s %.4000s", said.String(), log)
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := smtp.Dial(relay)
		if err == nil {
			_ = c.Close()
			return relay
		}
		if time.Now().After(end) {
			t.Fatal("postfix does not answer")
		}
	}
}

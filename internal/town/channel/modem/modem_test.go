package modem_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/modem"
)

func folders(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"inbox", "outbox", "sent", "error", "phone"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func way(t *testing.T, dir string, wait time.Duration) *modem.Adapter {
	t.Helper()
	a, err := modem.New(modem.Options{Name: "stick", Folder: dir, Now: time.Now, Wait: wait, Every: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func message(id string) channel.Message {
	return channel.Message{
		ID: id, Kind: channel.SMS, Class: channel.Alarm, Realm: channel.Live, To: "+491700000001",
		Text: "ALARM: Bürgerportal antwortet nicht, Kosten 5 €", Date: time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC),
	}
}

// mover stands for the daemon: it moves what it finds.
func mover(t *testing.T, dir, to string) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			found, _ := filepath.Glob(filepath.Join(dir, "outbox", "OUT*"))
			for _, f := range found {
				_ = os.Rename(f, filepath.Join(dir, to, filepath.Base(f)))
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

func TestSend(t *testing.T) {
	dir := folders(t)
	mover(t, dir, "sent")
	a := way(t, dir, time.Minute)
	rc, err := a.Send(t.Context(), message("m/1"))
	if err != nil || rc.Parts != 1 {
		t.Fatalf("%+v %v", rc, err)
	}
	if rc.Reference != "OUTA20261126_140000_00_+491700000001_m-1.txt" {
		t.Errorf("file %q", rc.Reference)
	}
	text, err := os.ReadFile(filepath.Join(dir, "sent", rc.Reference))
	if err != nil || string(text) != message("").Text {
		t.Errorf("%q %v", text, err)
	}
	// Cut off before its end was noted: the same message is not sent twice.
	if again, err := a.Send(t.Context(), message("m/1")); err != nil || again.Reference != rc.Reference {
		t.Errorf("%+v %v", again, err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(found) != 1 {
		t.Errorf("files %v", found)
	}
}

// What the daemon cannot send, or does not fetch, goes to the next way and leaves
// nothing behind that would go out later.
func TestFails(t *testing.T) {
	dir := folders(t)
	a := way(t, dir, 50*time.Millisecond)
	_, err := a.Send(t.Context(), message("m1"))
	if f := channel.AsFailure(err); !f.RouteDown || f.Reason != "timeout" || strings.Contains(f.Error(), "4917") {
		t.Errorf("nobody fetches: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(found) != 0 {
		t.Errorf("left behind: %v", found)
	}
	mover(t, dir, "error")
	_, err = way(t, dir, time.Minute).Send(t.Context(), message("m2"))
	if f := channel.AsFailure(err); !f.RouteDown || f.Reason != "rejected" {
		t.Errorf("error: %v", err)
	}
	for _, to := range []string{"../../etc/passwd", "+49170/1", "0170123456"} {
		m := message("m3")
		m.To = to
		if _, err := a.Send(t.Context(), m); !channel.AsFailure(err).Permanent {
			t.Errorf("%q: %v", to, err)
		}
	}
	if err := way(t, filepath.Join(dir, "none"), 0).Check(t.Context()); channel.AsFailure(err).Reason != "config" {
		t.Errorf("no folder: %v", err)
	}
}

// TestGammu sends through the real gammu-smsd with its dummy telephone.
func TestGammu(t *testing.T) {
	smsd, err := exec.LookPath("gammu-smsd")
	if err != nil {
		t.Skip("gammu-smsd is not installed; script/setup installs it")
	}
	dir := folders(t)
	config := filepath.Join(dir, "smsdrc")
	err = os.WriteFile(config, fmt.Appendf(nil, `[gammu]
connection = none
device = %[1]s/phone
model = dummy
[smsd]
service = files
logfile = %[1]s/log
debuglevel = 255
inboxpath = %[1]s/inbox/
outboxpath = %[1]s/outbox/
sentsmspath = %[1]s/sent/
errorsmspath = %[1]s/error/
loopsleep = 1
checksecurity = 0
checkbattery = 0
checksignal = 0
`, dir), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(smsd, "-c", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	rc, err := way(t, dir, time.Minute).Send(t.Context(), message("m1"))
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatalf("%+v %v\n%s", rc, err, log)
	}
	if !strings.Contains(string(log), "+491700000001") || !strings.Contains(string(log), "Bürgerportal antwortet nicht, Kosten 5 €") {
		t.Errorf("gammu did not read it as it was written:\n%s", log)
	}
}

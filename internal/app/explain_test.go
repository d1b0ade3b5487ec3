package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
)

type coded int

func (c coded) Error() string { return fmt.Sprintf("sqlite (%d)", int(c)) }
func (c coded) Code() int     { return int(c) }

// What the machine refuses is told in the operator's words, with what the
// machine said; what nobody knows speaks for itself.
func TestExplained(t *testing.T) {
	listen := &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8420}}
	in := func(e error) *net.OpError { c := *listen; c.Err = e; return &c }
	for _, c := range []struct {
		err  error
		says []string
	}{
		{fmt.Errorf("app: %w", in(syscall.EADDRINUSE)), []string{"127.0.0.1:8420", "anderes Programm"}},
		{fmt.Errorf("app: %w", in(syscall.EACCES)), []string{"127.0.0.1:8420", "permission denied", "--staff"}},
		{fmt.Errorf("store: open /d/x: %w", coded(14|1<<8)), []string{"Datenordner", "/d/x"}},
		{fmt.Errorf("store: %w", coded(8)), []string{"Datenordner"}},
		{&fs.PathError{Op: "mkdir", Path: "/d", Err: syscall.EACCES}, []string{"Datenordner", "mkdir /d"}},
		{&fs.PathError{Op: "mkdir", Path: "/d", Err: syscall.EROFS}, []string{"Datenordner"}},
		{fmt.Errorf("app: data folder: %w", &fs.PathError{Op: "mkdir", Path: "/proc/x", Err: syscall.ENOENT}), []string{"Datenordner", "/proc/x"}},
		{&fs.PathError{Op: "open", Path: "/k/key", Err: syscall.ENOENT}, []string{"/k/key"}},
		{fmt.Errorf("jobs: %w", coded(13)), []string{"voll", "jobs"}},
		{&fs.PathError{Op: "write", Path: "/d", Err: syscall.ENOSPC}, []string{"voll"}},
		{errors.Join(errors.New("a"), syscall.EDQUOT), []string{"voll"}},
		{fmt.Errorf("store: %w", &pgconn.ConnectError{}), []string{"--database"}},
		{ErrRunning, []string{"läuft schon"}},
		{fault.New(fault.Internal, "no.such.text").With(errors.New("words")), []string{"words"}},
		{coded(1), []string{"sqlite (1)"}},
	} {
		got := explained{c.err}.In(i18n.DE)
		for _, w := range c.says {
			if !strings.Contains(got, w) {
				t.Errorf("%v: %q does not say %q", c.err, got, w)
			}
		}
	}
}

// A field that says the same as the whole is said once, with its values; the others
// stand in order.
func TestExplainedFields(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fault.New(fault.Invalid, "roster.bad_land", "XX").Field("land", "roster.bad_land"), "„XX“ ist kein Land. Schreiben Sie zum Beispiel HE."},
		{
			fault.New(fault.Invalid, "roster.bad_span", 400).Field("to", "roster.bad_span_field").Field("from", "roster.bad_start"),
			"Der letzte Tag muss nach dem ersten liegen, höchstens 400 Tage später.\nfrom: Bitte geben Sie den ersten Tag an, zum Beispiel 2027-01-04.\nto: Dieser Tag passt nicht zum ersten.",
		},
	} {
		if got := (explained{c.err}).In(i18n.DE); got != c.want {
			t.Errorf("%q\nwant %q", got, c.want)
		}
	}
}

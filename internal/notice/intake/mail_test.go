package intake

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tuermer/internal/notice/signal"
)

// crlf is text as mail servers carry it.
func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// The mails of PRTG, Zabbix, Nagios, Icinga, Checkmk and Google Alerts, as their
// manuals have them, and such of nobody's in particular.
var letters = []struct{ name, mail, want string }{
	{
		"PRTG, quoted-printable in HTML alone",
		"From: PRTG <prtg@rathaus.example>\nDate: Thu, 26 Nov 2026 14:00:05 +0100\nMessage-ID: <1@prtg>\nSubject: [PRTG Rathaus] SRV-DB01 Ping (Ping) Down (Request timed out)\nMIME-Version: 1.0\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<html><head><title>x</title><style>p{color:red}</style></head><body><p>Ger=E4t <b>SRV-DB01</b> &amp; Sensor</p><p>Zeit&uuml;berschreitung</p></body></html>",
		"SRV-DB01 Ping (Ping)||firing|critical|SRV-DB01 Ping (Ping): Down||PRTG Rathaus",
	},
	{
		"PRTG, over, subject in Latin 1",
		"Date: Thu, 26 Nov 2026 14:05:05 +0100\nSubject: =?iso-8859-1?Q?[PRTG_Rathaus]_SRV-DB01_Ping_(Ping)_Down_ended_(now:_Up)_(gr=FCn)?=\n\nok",
		"SRV-DB01 Ping (Ping)||resolved|critical|SRV-DB01 Ping (Ping): Down ended (now: Up)||PRTG Rathaus",
	},
	{"PRTG in German", "Subject: [PRTG] Drucker Toner Warnung (fast leer)\n\nx", "Drucker Toner||firing|warning|Drucker Toner: Warnung||PRTG"},
	{"PRTG, somebody is at it", "Subject: [PRTG] srv Ping Down (Acknowledged) (ada: schon dran)\n\nx", "srv Ping||firing|critical|srv Ping: Down (Acknowledged)||PRTG (note)"},
	{
		"Zabbix", "Subject: Problem: Disk is full\n\nProblem started at 13:00:00 on 2026.11.26\nProblem name: Disk is full\nHost: srv1\nSeverity: Average\nOperational data: 99 %\nOriginal problem ID: 901\nhttps://zabbix.example/tr?id=1",
		"srv1 · Disk is full|901|firing|warning|Disk is full|srv1|",
	},
	{"Zabbix, over", "Subject: Resolved in 5m 2s: Disk is full\n\nProblem has been resolved\nHost: srv1\nSeverity: Average\nOriginal problem ID: 901", "srv1 · Disk is full|901|resolved|warning|Disk is full|srv1|"},
	{"Zabbix, a comment", "Subject: Updated problem in 5m: Disk is full\n\nHost: srv1\nOriginal problem ID: 901", "srv1 · Disk is full|901|firing|critical|Disk is full|srv1| (note)"},
	{"Nagios", "Subject: ** PROBLEM Service Alert: srv1/HTTP is CRITICAL **\n\nx", "srv1!HTTP||firing|critical|srv1 · HTTP: CRITICAL|srv1|"},
	{"Nagios, over", "Subject: ** RECOVERY Host Alert: srv1 is UP **\n\nx", "srv1||resolved|critical|srv1: UP|srv1|"},
	{"Icinga", "Subject: [PROBLEM] http on srv1 is WARNING!\n\nx", "srv1!http||firing|warning|srv1 · http: WARNING|srv1|"},
	{"Icinga, a host comes back", "Subject: [RECOVERY] Host srv1 is UP!\n\nx", "srv1||resolved|critical|srv1: UP|srv1|"},
	{"Checkmk", "Subject: Checkmk: srv1/Filesystem /var OK -> CRIT\n\nx", "srv1!Filesystem /var||firing|critical|srv1 · Filesystem /var: CRIT|srv1|"},
	{"Google Alerts", "Message-ID: <9@google>\nSubject: Google Alert - Musterstadt\n\nNeues: https://www.example/artikel", "google Musterstadt|<9@google>|firing|info|Google Alert - Musterstadt||"},
	{
		"a UPS, in base64, among attachments",
		"Subject: =?utf-8?B?VVNWIGltIEtlbGxlcjogU3TDtnJ1bmc=?=\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=x.pdf\n\n%PDF\n--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>nein\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nTMOkdWZ0IGF1ZiBCYXR0ZXJpZQ==\n--b--\n--a--\n",
		"USV im Keller||firing|critical|USV im Keller: Störung||",
	},
	{"the UPS, over", "Subject: USV im Keller: OK\n\nx", "USV im Keller||resolved|critical|USV im Keller: OK||"},
	{"nobody knows what it means", "Subject: Bitte um Rückruf\n\nx", "Bitte um Rückruf||firing|critical|Bitte um Rückruf||"},
	{"both words at once", "Subject: srv1 OK, srv2 down\n\nx", "srv1 srv2||firing|critical|srv1 OK, srv2 down||"},
	{"no subject", "From: usv@rathaus.example\n\nBatterie", "usv@rathaus.example||firing|critical|Batterie||"},
	{"an absence note", "Subject: Re: Alarm\nAuto-Submitted: auto-replied\n\nIch bin im Urlaub.", "||||"},
}

func TestMails(t *testing.T) {
	for _, c := range letters {
		rs, err := Parse(Mail, Mapping{}, Body{ContentType: MailType, Data: []byte(crlf(c.mail))}, nil)
		if c.want == "||||" {
			if err != nil || !rs[0].Note {
				t.Errorf("%s: %+v, %v", c.name, rs, err)
			}
			continue
		}
		if err != nil || len(rs) != 1 || what(rs[0]) != c.want {
			t.Errorf("%s:\n got %+v, %v\nwant %s", c.name, rs, err, c.want)
			continue
		}
		switch c.name {
		case "PRTG, quoted-printable in HTML alone":
			if rs[0].Detail != "Request timed out" || !rs[0].Since.Equal(time.Date(2026, 11, 26, 13, 0, 5, 0, time.UTC)) {
				t.Errorf("%+v", rs[0])
			}
			l, err := readLetter([]byte(crlf(c.mail)))
			if err != nil || l.Text != "Gerät SRV-DB01 & Sensor\nZeitüberschreitung" {
				t.Errorf("%q, %v", l.Text, err)
			}
		case "a UPS, in base64, among attachments":
			if rs[0].Detail != "Läuft auf Batterie" {
				t.Errorf("%+v", rs[0])
			}
		}
	}
}

// A pattern says where in a subject or below it what stands; the words of recovery
// are the operator's. What it does not fit is not understood, and alarms (I20).
func TestMailsByPattern(t *testing.T) {
	m := Mapping{Pattern: `^Melder (?P<key>\d+)`, Body: `(?s)Lage: (?P<state>\w+).*Ort: (?P<site>[^\n]+)`, Up: []string{"Ruhe"}}
	for mail, want := range map[string]string{
		"Subject: Melder 7 spricht\n\nLage: Alarm\nOrt: Keller": "7||firing|critical|Melder 7 spricht||Keller",
		"Subject: Melder 7 spricht\n\nLage: Ruhe\nOrt: Keller":  "7||resolved|critical|Melder 7 spricht||Keller",
	} {
		rs, err := Parse(Mail, m, Body{Data: []byte(crlf(mail))}, nil)
		if err != nil || what(rs[0]) != want {
			t.Errorf("%+v, %v, want %s", rs, err, want)
		}
	}
	if rs, err := Parse(Mail, m, Body{Data: []byte("Subject: Melder 7 spricht\r\n\r\nHallo")}, nil); !errors.Is(err, ErrForm) {
		t.Errorf("%+v, %v", rs, err)
	}
	words := Mapping{Pattern: `^(?P<key>Aufzug \w+)`, Up: []string{"fährt wieder"}}
	for subject, want := range map[string]signal.State{"Aufzug Nord steht": signal.Firing, "Aufzug Nord fährt wieder": signal.Resolved, "Aufzug Nord OK": signal.Firing} {
		rs, err := Parse(Mail, words, Body{Data: []byte("Subject: " + subject + "\r\n\r\n")}, nil)
		if err != nil || rs[0].State != want || rs[0].Key != "Aufzug Nord" {
			t.Errorf("%s: %+v, %v", subject, rs, err)
		}
	}
	if _, err := Parse(Mail, Mapping{Preset: "zabbix"}, Body{Data: []byte("Subject: Bitte\r\n\r\n")}, nil); !errors.Is(err, ErrForm) {
		t.Error(err)
	}
	if err := (Mapping{Preset: "wunsch", Body: "("}).Check(); err == nil {
		t.Error("a mapping that cannot be")
	}
}

// Of a long mail the beginning is read.
func TestLongMailIsRead(t *testing.T) {
	m := crlf("Subject: USV im Keller: OK\nContent-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/plain\n\nNetz da\n--a\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + strings.Repeat("AAAA", 100))
	rs, err := Parse(Mail, Mapping{}, Body{Data: []byte(m), Cut: true}, nil)
	if err != nil || rs[0].State != signal.Resolved || rs[0].Detail != "Netz da" {
		t.Fatalf("%+v, %v", rs, err)
	}
}

func TestMailToken(t *testing.T) {
	for address, want := range map[string]string{
		"tin_abc@lage.example": "tin_abc", "<meldung+TIN_ABC@lage.example>": "tin_abc", "a+b+tin_c@x": "tin_c", "ada@x": "ada", "": "",
	} {
		if got := mailToken(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// Whatever arrives, the parser neither panics nor answers what cannot be stored or
// shown.
func FuzzMail(f *testing.F) {
	for _, c := range letters {
		f.Add(crlf(c.mail), "", "")
	}
	f.Add("Subject: Melder 7\r\n\r\nLage: Ruhe", `(?P<key>\d+)`, `Lage: (?P<state>\w+)`)
	f.Fuzz(func(t *testing.T, mail, pattern, below string) {
		m := Mapping{Pattern: pattern, Body: below}
		if m.Check() != nil {
			m = Mapping{}
		}
		rs, err := Parse(Mail, m, Body{ContentType: MailType, Data: []byte(mail)}, nil)
		if (err == nil) != (len(rs) == 1) {
			t.Fatalf("%v, %v", rs, err)
		}
		for _, r := range rs {
			if r.Key == "" || r.Title == "" || len(r.Key) > maxKey || len(r.Title) > maxTitle || len(r.Detail) > maxDetail || len(r.Episode) > maxKey {
				t.Fatalf("%+v", r)
			}
			for _, s := range []string{r.Key, r.Title, r.Detail, r.Host, r.Site, r.Episode} {
				if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r\n\u202e") {
					t.Fatalf("%q", s)
				}
			}
		}
	})
}

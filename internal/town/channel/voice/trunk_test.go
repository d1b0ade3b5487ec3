package voice_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/voice"
	"tuermer/internal/town/channel/voicetest"
)

// scenario is what sipp, an independent SIP tester of Debian's, answers to calls.
type scenario struct{ xml strings.Builder }

// expect waits for a request; its headers are those of the answers that follow.
func (s *scenario) expect(method, more string) *scenario {
	fmt.Fprintf(&s.xml, "<recv request=%q crlf=\"true\" %s></recv>\n", method, more)
	return s
}

// say answers it.
func (s *scenario) say(status, headers, body string) *scenario {
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\n"
	}
	fmt.Fprintf(&s.xml, `<send><![CDATA[
SIP/2.0 %s
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
%s%sContent-Length: [len]

%s]]></send>
`, status, headers, kind, body)
	return s
}

// raw is a step as sipp writes it.
func (s *scenario) raw(xml string) *scenario { s.xml.WriteString(xml + "\n"); return s }

// on runs the scenario on a port of its own and answers its address.
func (s *scenario) on(t *testing.T, args ...string) (addr string, out *voicetest.Output) {
	t.Helper()
	voicetest.Need(t, "sipp")
	dir := t.TempDir()
	file := filepath.Join(dir, "scenario.xml")
	text := "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<scenario name=\"callee\">\n" + s.xml.String() + "</scenario>\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	port, control := voicetest.OwnPorts(t)
	args = append([]string{
		"-sf", file, "-i", "127.0.0.1", "-p", fmt.Sprint(port), "-cp", fmt.Sprint(control), "-m", "1", "-nostdin", "-timeout", "180s",
		"-trace_msg", "-message_file", filepath.Join(dir, "messages"), "-trace_err", "-error_file", filepath.Join(dir, "errors"),
	}, args...)
	out = voicetest.Program(t, func(string) bool { return taken(port, strings.Contains(strings.Join(args, " "), "-t t1")) }, "sipp", args...)
	t.Cleanup(func() {
		if t.Failed() {
			for _, name := range []string{"messages", "errors"} {
				b, _ := os.ReadFile(filepath.Join(dir, name))
				t.Logf("sipp's %s:\n%s", name, b)
			}
		}
	})
	return fmt.Sprintf("127.0.0.1:%d", port), out
}

const speech = `v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
`

// mute is a voice for tests that hear nothing, broken one that fails.
func mute(context.Context, string, string) ([]int16, error)   { return make([]int16, 4000), nil }
func broken(context.Context, string, string) ([]int16, error) { return nil, io.ErrUnexpectedEOF }

// taken tells whether somebody holds the port.
func taken(port int, tcp bool) bool {
	if tcp {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			_ = l.Close()
		}
		return err != nil
	}
	l, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err == nil {
		_ = l.Close()
	}
	return err != nil
}

// What a trunk refuses: the documented answers, each with what follows from it.
func TestTrunkRefuses(t *testing.T) {
	for _, c := range []struct {
		status, headers string
		want            channel.Failure
	}{
		{"486 Busy Here", "", channel.Failure{Permanent: true, Reason: "busy"}},
		{"480 Temporarily Unavailable", "", channel.Failure{Permanent: true, Reason: "unanswered"}},
		{"408 Request Timeout", "", channel.Failure{Permanent: true, Reason: "unanswered"}},
		{"603 Decline", "", channel.Failure{Permanent: true, Reason: "declined"}},
		{"404 Not Found", "", channel.Failure{Permanent: true, Reason: "rejected"}},
		{"403 Forbidden", "", channel.Failure{RouteDown: true, Reason: "auth"}},
		{"488 Not Acceptable Here", "", channel.Failure{RouteDown: true, Reason: "protocol"}},
		{"503 Service Unavailable", "Retry-After: 7 (maintenance)\n", channel.Failure{RouteDown: true, Reason: "throttled", RetryAfter: 7 * time.Second}},
		{"500 Server Internal Error", "", channel.Failure{RouteDown: true, Reason: "rejected"}},
	} {
		t.Run(c.status[:3], func(t *testing.T) {
			t.Parallel()
			addr, _ := new(scenario).expect("INVITE", "").say(c.status, c.headers, "").expect("ACK", "").on(t)
			r := &reports{}
			_, err := caller(t, voice.Options{Server: "sip:" + addr, Report: r.report, Speak: mute}).Send(t.Context(), alarm())
			f := channel.AsFailure(err)
			if f.Reason != c.want.Reason || f.Permanent != c.want.Permanent || f.RouteDown != c.want.RouteDown || f.RetryAfter != c.want.RetryAfter {
				t.Errorf("%+v", f)
			}
			if strings.Contains(f.Error(), "4917") {
				t.Errorf("it tells %q", f)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.all) != 0 {
				t.Errorf("reported %+v", r.all)
			}
		})
	}
}

// It rings, and nobody answers: the call is taken back, and counts as lost.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	// CANCEL has its own answer, and then the call its 487.
	ended := new(scenario).say("487 Request Terminated", "", "").xml.String()
	addr, _ := new(scenario).
		raw(`<recv request="INVITE" crlf="true"><action><ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" check_it="true" assign_to="number"/></action></recv>`).
		say("180 Ringing", "", "").expect("CANCEL", "").say("200 OK", "", "").
		raw(strings.Replace(ended, "[last_CSeq:]", "CSeq: [$number] INVITE", 1)).expect("ACK", "").on(t)
	r := &reports{}
	a := caller(t, voice.Options{Server: "sip:" + addr, Report: r.report, Speak: mute, Ring: time.Second})
	if _, err := a.Send(t.Context(), alarm()); err != nil {
		t.Fatal(err)
	}
	for _, m := range []channel.Message{{}, {ID: "m", Kind: channel.SMS, Realm: channel.Live, To: "+49170"}, {ID: "m", Kind: channel.Voice, Realm: channel.Exercise, To: "+491700000001"}} {
		if _, err := a.Send(t.Context(), m); channel.AsFailure(err).Reason != "config" {
			t.Errorf("%+v was taken: %v", m, err)
		}
	}
	if got := r.one(t); got != (channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "unanswered"}) {
		t.Errorf("%+v", got)
	}
}

// A machine answers over TCP and says nothing: not confirmed. A key by SIP INFO
// confirms, after a sign-in that asks for the password.
func TestMachineAndInfo(t *testing.T) {
	t.Parallel()
	answered := func() *scenario {
		return new(scenario).expect("INVITE", "").say("200 OK", "", speech).expect("ACK", "")
	}
	t.Run("machine", func(t *testing.T) {
		t.Parallel()
		addr, _ := answered().expect("BYE", "").say("200 OK", "", "").on(t, "-t", "t1")
		r := &reports{}
		a := caller(t, voice.Options{Server: "sip:" + addr + ";transport=tcp", Report: r.report, Speak: mute, Talk: time.Second})
		if _, err := a.Send(t.Context(), alarm()); err != nil {
			t.Fatal(err)
		}
		if got := r.one(t); got != (channel.Report{ID: "m-1", Arrival: channel.Lost, Reason: "no_key"}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("info", func(t *testing.T) {
		t.Parallel()
		const challenge = "WWW-Authenticate: Digest realm=\"town\", nonce=\"47\", algorithm=MD5, qop=\"auth\"\n"
		const info = `<send><![CDATA[
INFO sip:tuermer@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <[$callee]>;tag=[pid]SIPpTag[call_number]
To: <[$caller]>;[$tag]
Call-ID: [call_id]
CSeq: 7 INFO
Max-Forwards: 70
Content-Type: application/dtmf-relay
Content-Length: [len]

Signal=2
Duration=160
]]></send>`
		addr, _ := new(scenario).expect("INVITE", "").say("401 Unauthorized", challenge, "").expect("ACK", "").
			raw(`<recv request="INVITE" crlf="true" next="1" test="authed"><action>
<ereg regexp="sip:[a-z0-9+@.:]*" search_in="hdr" header="To:" check_it="true" assign_to="callee"/>
<ereg regexp="sip:[a-z0-9+@.:]*" search_in="hdr" header="From:" check_it="true" assign_to="caller"/>
<ereg regexp="tag=[A-Za-z0-9]*" search_in="hdr" header="From:" check_it="true" assign_to="tag"/>
<verifyauth assign_to="authed" username="ada" password="geheim-1"/>
</action></recv>`).say("403 Forbidden", "", "").raw(`<label id="1"/>`).
			say("200 OK", "", speech).expect("ACK", "").raw(info).
			raw(`<recv response="200"></recv>`).expect("BYE", "").say("200 OK", "", "").on(t)
		r := &reports{}
		a := caller(t, voice.Options{Server: "sip:" + addr, User: "ada", Secret: func() string { return "geheim-1" }, Report: r.report, Speak: mute})
		if _, err := a.Send(t.Context(), alarm()); err != nil {
			t.Fatal(err)
		}
		if got := r.one(t); got != (channel.Report{ID: "m-1", Arrival: channel.Arrived, Key: "2"}) {
			t.Errorf("%+v", got)
		}
	})
}

// Nobody is there at all, every line is in use, and a stop in the middle of a ringing
// ends it without a word.
func TestNoTrunk(t *testing.T) {
	t.Parallel()
	deaf, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	r := &reports{}
	a := caller(t, voice.Options{Server: "sip:" + deaf.LocalAddr().String(), Report: r.report, Speak: mute, Lines: 1})
	done := make(chan error, 1)
	go func() {
		_, err := a.Send(t.Context(), alarm())
		done <- err
	}()
	if _, err := deaf.Read(make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	_, err = a.Send(t.Context(), alarm())
	if f := channel.AsFailure(err); f.Reason != "throttled" || f.RetryAfter <= 0 || f.RouteDown {
		t.Errorf("with its one line in use: %+v", f)
	}
	if f := channel.AsFailure(<-done); !f.RouteDown || f.Permanent || f.Reason != "timeout" && f.Reason != "connect" {
		t.Errorf("%+v", f)
	}
	if f := channel.AsFailure(a.Check(t.Context())); !f.RouteDown {
		t.Errorf("check %+v", f)
	}
	if f := channel.AsFailure(caller(t, voice.Options{Server: "sip:127.0.0.1:9", Speak: broken}).Check(t.Context())); f.Reason != "speech" {
		t.Errorf("check without a voice %+v", f)
	}
}

func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	addr, _ := new(scenario).expect("INVITE", "").say("180 Ringing", "", "").expect("CANCEL", "").say("200 OK", "", "").
		raw(`<pause milliseconds="2000"/>`).on(t)
	r := &reports{}
	a := caller(t, voice.Options{Server: "sip:" + addr, Report: r.report, Speak: mute})
	if _, err := a.Send(t.Context(), alarm()); err != nil {
		t.Fatal(err)
	}
	a.HangUp()
	a.HangUp()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) != 0 {
		t.Errorf("reported %+v", r.all)
	}
	_, err := a.Send(t.Context(), alarm())
	if f := channel.AsFailure(err); f.Reason != "canceled" {
		t.Errorf("after the end: %+v", f)
	}
}

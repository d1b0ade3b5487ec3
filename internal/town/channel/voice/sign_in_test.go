package voice_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/voice"
	"tuermer/internal/town/channel/voicetest"
)

func trusting(t *testing.T, pem string) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem)) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// Kamailio keeps sign-ins for three seconds: they are renewed before they end, come
// back after it was away, and a wrong password is known before anybody is called.
func TestSignInIsKept(t *testing.T) {
	t.Parallel()
	k := voicetest.OpenTrunk(t, voicetest.Settings{Phone: "127.0.0.1:9", Longest: 3 * time.Second})
	secret := func(s string) func() string { return func() string { return s } }
	a := caller(t, voice.Options{Server: "sip:" + k.UDP, User: voicetest.User, Secret: secret(voicetest.Password), Register: true, Speak: mute})
	if err := a.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Start(t.Context())
	a.Start(t.Context())
	t.Cleanup(a.Stop)
	before := k.Count("SIGNED")
	voicetest.Until(t, "it is renewed three times", func() bool { return k.Count("SIGNED") >= before+4 })
	if f := a.Down(); f != nil {
		t.Errorf("signed in, and said to be down: %v", f)
	}
	k.Close()
	voicetest.Until(t, "its end is noticed", func() bool { return a.Down() != nil })
	if f := a.Down(); !f.RouteDown || f.Reason != "timeout" && f.Reason != "connect" {
		t.Errorf("%+v", f)
	}
	k.Up(t)
	voicetest.Until(t, "signed in again", func() bool { return k.Count("SIGNED") > 0 && a.Down() == nil })
	a.Stop()
	voicetest.Until(t, "signed off", func() bool { return k.Count("expires=0") > 0 })
	a.Stop()

	wrong := caller(t, voice.Options{Server: "sip:" + k.UDP, User: voicetest.User, Secret: secret("falsch"), Register: true, Speak: mute})
	wrong.Start(t.Context())
	t.Cleanup(wrong.Stop)
	voicetest.Until(t, "the wrong password is noticed", func() bool { return wrong.Down() != nil })
	if f := wrong.Down(); f.Reason != "auth" {
		t.Errorf("%+v", f)
	}
	if _, err := wrong.Send(t.Context(), alarm()); channel.AsFailure(err).Reason != "auth" {
		t.Errorf("%v", err)
	}
}

// A call over TLS: sign-in by the password, the certificate is checked by the
// authority that the file names, Kamailio puts it through to Debian's telephone, and a
// key takes over. Who does not trust the authority, or meets another name, does not
// even say who they are.
func TestCallOverTLS(t *testing.T) {
	t.Parallel()
	voicetest.Need(t, "espeak-ng")
	p := voicetest.PickUp(t, "<sip:+491700000001@ADDR>;regint=0;answermode=auto")
	k := voicetest.OpenTrunk(t, voicetest.Settings{Phone: p.Addr, Longest: time.Minute})
	o := voice.Options{
		Server: "sip:" + k.TLS + ";transport=tls", User: voicetest.User, Secret: func() string { return voicetest.Password }, Register: true, TLSConfig: trusting(t, k.CA),
	}
	r := &reports{}
	o.Report = r.report
	a := caller(t, o)
	if err := a.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Start(t.Context())
	t.Cleanup(a.Stop)
	if _, err := a.Send(t.Context(), alarm()); err != nil {
		t.Fatal(err)
	}
	voicetest.Until(t, "the phone hears something", func() bool { return len(p.Heard(t)) > 2*8000 })
	p.Press(t, "1")
	if got := r.one(t); got != (channel.Report{ID: "m-1", Arrival: channel.Arrived, Key: "1"}) {
		t.Fatalf("%+v", got)
	}
	a.HangUp()
	if k.Count("CALL tls") != 1 || k.Count("SIGNED udp") > 0 {
		t.Error("the call did not come by TLS alone")
	}

	o.TLSConfig = nil
	if f := channel.AsFailure(caller(t, o).Check(t.Context())); f.Reason != "tls" || !f.RouteDown {
		t.Errorf("an unknown authority: %+v", f)
	}
	other := voicetest.OpenTrunk(t, voicetest.Settings{Phone: p.Addr, Longest: time.Minute, CertName: "sip.anderswo.example"})
	o.Server, o.TLSConfig = "sip:"+other.TLS+";transport=tls", trusting(t, other.CA)
	if f := channel.AsFailure(caller(t, o).Check(t.Context())); f.Reason != "tls" || !f.RouteDown {
		t.Errorf("another name: %+v", f)
	}
	if other.Count("ASKED") > 0 {
		t.Error("it was spoken with all the same")
	}
	a.Stop() // signed off, the trunk takes nothing more
	o.Server, o.TLSConfig, o.Register = "sip:"+k.TLS+";transport=tls", trusting(t, k.CA), false
	if _, err := caller(t, o).Send(t.Context(), alarm()); channel.AsFailure(err).Reason != "auth" || k.Count("STRANGER") != 1 {
		t.Errorf("without a sign-in: %v", err)
	}
}

// A trunk that wants longer sign-ins than we asked for gets them.
func TestSignInAsLongAsItMust(t *testing.T) {
	t.Parallel()
	addr, _ := new(scenario).expect("REGISTER", "").say("423 Interval Too Brief", "Min-Expires: 400\n", "").
		raw(`<recv request="REGISTER" crlf="true"><action><ereg regexp="^ *400" search_in="hdr" header="Expires:" check_it="true" assign_to="asked"/></action></recv>`).
		raw(`<nop><action><log message="asked [$asked]"/></action></nop>`).say("200 OK", "Expires: 400\n", "").
		expect("REGISTER", "").say("200 OK", "", "").on(t)
	a := caller(t, voice.Options{Server: "sip:" + addr, User: "ada", Register: true, Speak: mute})
	if err := a.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

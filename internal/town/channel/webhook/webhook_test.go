package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"tuermer/internal/town/channel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func adapter(t testing.TB, change ...func(*Options)) *Adapter {
	t.Helper()
	o := Options{Name: "hooks", Now: func() time.Time { return now }}
	for _, f := range change {
		f(&o)
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func message(to string) channel.Message {
	return channel.Message{
		ID: "01J-1", Kind: channel.Webhook, Class: channel.Alarm, Realm: channel.Live, To: to,
		Subject: "Bürgerportal antwortet nicht", Text: "Seit 09:20 Uhr.", Language: "de", Date: now,
		Secret: []byte("geheim"), Declared: true,
	}
}

func failure(t testing.TB, err error) *channel.Failure {
	t.Helper()
	var f *channel.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure", err)
	}
	return f
}

func TestSendIsSignedAndIdempotent(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var doc map[string]any
		switch {
		case r.Method != http.MethodPost, r.Header.Get("Content-Type") != "application/json",
			r.Header.Get("Idempotency-Key") != "01J-1", r.Header.Get("User-Agent") != "Tuermer/1":
			w.WriteHeader(400)
			fmt.Fprint(w, r.Method, r.Header)
		case Verify([]byte("geheim"), r.Header.Get(SignatureHeader), body, now, time.Minute) != nil:
			w.WriteHeader(401)
		case json.Unmarshal(body, &doc) != nil || doc["subject"] != "Bürgerportal antwortet nicht" || doc["realm"] != "live":
			w.WriteHeader(422)
			w.Write(body)
		default:
			w.Header().Set("X-Request-Id", "abc")
			w.WriteHeader(202)
		}
	}))
	defer srv.Close()
	r, err := adapter(t).Send(t.Context(), message(srv.URL+"/hook?key=1"))
	if err != nil || r.Reference != "abc" || r.Route != "hooks" {
		t.Fatal(r, err)
	}
}

func TestPayloadGoesOutAsItIs(t *testing.T) {
	var got, signature atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(string(b))
		signature.Store(r.Header.Get(SignatureHeader))
	}))
	defer srv.Close()
	m := message(srv.URL)
	m.Payload, m.Secret = []byte(`{"text": "x"}`), nil
	if _, err := adapter(t).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got.Load() != `{"text": "x"}` || signature.Load() != "" {
		t.Error(got.Load(), signature.Load())
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		code      int
		after     string
		reason    string
		permanent bool
		wait      time.Duration
	}{
		{301, "", "rejected", true, 0},
		{400, "", "rejected", true, 0},
		{401, "", "auth", true, 0},
		{403, "", "auth", true, 0},
		{404, "", "rejected", true, 0},
		{408, "", "rejected", false, 0},
		{410, "", "rejected", true, 0},
		{413, "", "too_large", true, 0},
		{429, "30", "throttled", false, 30 * time.Second},
		{429, "", "throttled", false, 0},
		{429, "-5", "throttled", false, 0},
		{429, "99999999999999999999", "throttled", false, time.Hour},
		{429, "bald", "throttled", false, 0},
		{500, "", "rejected", false, 0},
		{503, now.Add(90 * time.Second).Format(http.TimeFormat), "throttled", false, 90 * time.Second},
		{503, now.Add(-time.Minute).Format(http.TimeFormat), "throttled", false, 0},
		{503, now.AddDate(5, 0, 0).Format(http.TimeFormat), "throttled", false, time.Hour},
	} {
		t.Run(fmt.Sprint(c.code, " ", c.after), func(t *testing.T) {
			var calls atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				if c.after != "" {
					w.Header().Set("Retry-After", c.after)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.code)
				fmt.Fprint(w, "nein\r\nwirklich\x1b nicht", strings.Repeat("x", 500))
			}))
			defer srv.Close()
			_, err := adapter(t).Send(t.Context(), message(srv.URL+"/geheimer-pfad"))
			f := failure(t, err)
			if f.Reason != c.reason || f.Permanent != c.permanent || f.RetryAfter != c.wait || f.RouteDown {
				t.Errorf("%+v", f)
			}
			if s := f.Error(); len(s) > 300 || strings.ContainsAny(s, "\r\n\x1b") {
				t.Errorf("%q", s)
			}
			if calls.Load() != 1 {
				t.Errorf("%d calls", calls.Load())
			}
		})
	}
}

// TestAnswerIsReadOnlySoFar lets a receiver pour out more than anybody reads.
func TestAnswerIsReadOnlySoFar(t *testing.T) {
	var poured atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		block := make([]byte, 64<<10)
		for range 1000 { // 64 MB
			n, err := w.Write(block)
			if poured.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	_, err := adapter(t).Send(t.Context(), message(srv.URL))
	if f := failure(t, err); f.Reason != "rejected" || f.Permanent {
		t.Error(f)
	}
	srv.Close()
	if n := poured.Load(); n > 32<<20 {
		t.Errorf("%d bytes", n)
	}
}

// TestTimeLimits runs against receivers that accept and then hang or drip.
func TestTimeLimits(t *testing.T) {
	for name, say := range map[string]string{
		"hangs": "", "drips": "drip", "body drips": "HTTP/1.1 500 no\r\nContent-Length: 100\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var receiver sync.WaitGroup
				a := adapter(t, func(o *Options) {
					o.DialContext = func(context.Context, string, string) (net.Conn, error) {
						c, s := net.Pipe()
						asked := make(chan struct{})
						receiver.Go(func() {
							defer s.Close()
							s.Read(make([]byte, 1))
							close(asked) // nobody answers before there is a question: net/http would hang up
							io.Copy(io.Discard, s)
						})
						receiver.Go(func() {
							<-asked
							var err error
							for say == "drip" && err == nil {
								<-time.After(time.Second)
								_, err = io.WriteString(s, "H")
							}
							io.WriteString(s, say)
						})
						return c, nil
					}
				})
				start := time.Now()
				_, err := a.Send(t.Context(), message("http://hook.example/"))
				f := failure(t, err)
				if d := time.Since(start); d != 10*time.Second {
					t.Errorf("took %v", d)
				}
				if want := map[bool]string{true: "rejected", false: "timeout"}[name == "body drips"]; f.Reason != want || f.Permanent || f.RouteDown {
					t.Error(f)
				}
				receiver.Wait()
			})
		})
	}
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := adapter(t, func(o *Options) {
			o.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := a.Send(ctx, message("http://hook.example/"))
		if f := failure(t, err); f.Reason != "canceled" || time.Since(start) != time.Second {
			t.Error(f)
		}
	})
}

func TestWrongMessagesOpenNothing(t *testing.T) {
	a := adapter(t, func(o *Options) {
		o.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
			t.Error("dialed", addr)
			return nil, errors.New("no")
		}
	})
	for _, change := range []func(*channel.Message){
		func(m *channel.Message) { m.Realm = channel.Exercise },
		func(m *channel.Message) { m.Kind = channel.Mail },
		func(m *channel.Message) { m.ID = "" },
		func(m *channel.Message) { m.ID = "a\r\nX-Evil: 1" },
		func(m *channel.Message) { m.To = "" },
		func(m *channel.Message) { m.To = "ftp://x/geheim" },
		func(m *channel.Message) { m.To = "https:///geheim" },
		func(m *channel.Message) { m.To = "http://a b/geheim" },
		func(m *channel.Message) { m.To = "%zz geheim" },
	} {
		m := message("http://hook.example/")
		change(&m)
		_, err := a.Send(t.Context(), m)
		if f := failure(t, err); !f.Permanent || f.Reason != "config" || strings.Contains(f.Error(), "geheim") {
			t.Error(f)
		}
	}
}

func TestNoReceiver(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	_, err := adapter(t).Send(t.Context(), message(url+"/geheim"))
	if f := failure(t, err); f.Permanent || f.RouteDown || f.Reason != "connect" || strings.Contains(f.Error(), "geheim") {
		t.Error(f)
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	tls.Config.ErrorLog = nil
	defer tls.Close()
	_, err = adapter(t).Send(t.Context(), message(tls.URL))
	if f := failure(t, err); f.Permanent || f.Reason != "tls" {
		t.Error(f)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, err = adapter(t).Send(t.Context(), message(strings.Replace(plain.URL, "http:", "https:", 1)))
	if f := failure(t, err); f.Permanent || f.Reason == "config" {
		t.Error(f)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for _, o := range []Options{
		{}, {Name: "x"}, {Name: "x", Now: time.Now, Timeout: -1}, {Name: "x", Now: time.Now, UserAgent: "a\r\nb"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}

func TestVerify(t *testing.T) {
	secret, body := []byte("s"), []byte(`{"a":1}`)
	good := Sign(secret, body, now)
	for _, c := range []struct {
		name, header string
		body         []byte
		now          time.Time
		want         error
	}{
		{"good", good, body, now, nil},
		{"late", good, body, now.Add(5 * time.Minute), nil},
		{"too late", good, body, now.Add(5*time.Minute + time.Second), ErrStale},
		{"future", good, body, now.Add(-6 * time.Minute), ErrStale},
		{"other body", good, []byte(`{"a":2}`), now, ErrSignature},
		{"other time", strings.Replace(good, "t=1", "t=2", 1), body, now, ErrSignature},
		{"rotated", good + ",v1=" + strings.Repeat("00", 32), body, now, nil},
		{"unknown part", good + ",v2=x", body, now, nil},
		{"empty", "", body, now, ErrMalformed},
		{"no sum", "t=1", body, now, ErrMalformed},
		{"no hex", "t=1,v1=zz", body, now, ErrMalformed},
		{"two times", "t=1," + good, body, now, ErrMalformed},
		{"huge", strings.Repeat("v1=00,", 10_000), body, now, ErrMalformed},
	} {
		if err := Verify(secret, c.header, c.body, c.now, 5*time.Minute); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if err := Verify(nil, Sign(nil, body, now), body, now, time.Minute); !errors.Is(err, ErrSignature) {
		t.Error("an empty secret proved something")
	}
}

func TestSignVerifyProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "secret")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		at := time.Unix(rapid.Int64Range(-1e12, 1e12).Draw(t, "at"), 0)
		if err := Verify(secret, Sign(secret, body, at), body, at, 0); err != nil {
			t.Fatal(err)
		}
		if Verify(append([]byte{secret[0] ^ 1}, secret[1:]...), Sign(secret, body, at), body, at, 0) == nil {
			t.Fatal("another secret verified")
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add(Sign([]byte("s"), []byte("b"), now), []byte("b"))
	f.Add("t=9223372036854775807,v1=", []byte(nil))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		if Verify([]byte("a secret that no fuzzer knows"), header, body, now, time.Hour) == nil {
			t.Fatal("forged")
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(s, now); d < 0 || d > maxRetryAfter {
			t.Fatal(d)
		}
	})
}

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing/synctest"
	"time"

	"tuermer/internal/town/channel/pushtest"
)

// pushService is the maker's service, and the devices that are registered there.
type pushService struct {
	*pushtest.Server
	srv      *http.Server
	done     chan struct{}
	browsers map[string]*pushtest.Browser
	read     map[int]bool
	last     pushed
}

// pushed is what a device has read last.
type pushed struct {
	Title, Body, URL, Take, Receipt string
	Words                           map[string]string
}

// notary makes the one certificate of the outside world, which the product trusts.
func notary() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "push.example"}, DNSNames: []string{"push.example"},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(made)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// push: Push-Dienst läuft | bremst | hängt nicht | fällt aus | kennt Handy nicht mehr.
func (s *stage) pushServiceTo(args []string) error {
	if s.pushes == nil {
		s.pushes = &pushService{
			Server:   &pushtest.Server{Origin: "https://push.example", Now: func() time.Time { return skewed{&s.skew}.Now() }},
			browsers: map[string]*pushtest.Browser{}, read: map[int]bool{},
		}
	}
	p := s.pushes
	switch strings.Join(args, " ") {
	case "läuft":
		p.Answer(0, "")
		return p.up(s)
	case "bremst":
		p.Answer(http.StatusTooManyRequests, "60")
		return p.up(s)
	case "fällt aus":
		p.down()
		return nil
	}
	if b := p.browsers[args[min(1, len(args)-1)]]; b != nil && args[0] == "kennt" {
		p.End(b, http.StatusGone)
		return nil
	}
	return errors.New("erwartet wird läuft, bremst, fällt aus oder kennt <Gerät> nicht mehr")
}

func (p *pushService) up(s *stage) error {
	if p.srv != nil {
		return nil
	}
	l, err := s.net.Listen(context.Background(), "tcp", "push.example:443")
	if err != nil {
		return err
	}
	p.srv, p.done = &http.Server{
		Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(s.t.Output(), nil), slog.LevelDebug),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.seal}, MinVersion: tls.VersionTLS12},
	}, make(chan struct{})
	srv, done := p.srv, p.done
	go func() {
		defer close(done)
		_ = srv.ServeTLS(l, "", "")
	}()
	return nil
}

func (p *pushService) down() {
	if p == nil || p.srv == nil {
		return
	}
	_ = p.srv.Close()
	<-p.done
	p.srv = nil
}

// device: Gerät Handy meldet sich an. It does what the island of the page does, in
// the name of whoever has the page open.
func (s *stage) device(args []string) error {
	if s.pushes == nil || s.now == nil || s.now.doc == nil {
		return errors.New("zuerst braucht es einen Push-Dienst und die offene Seite /reach")
	}
	key := s.now.doc.Find("tm-push").AttrOr("key", "")
	if key == "" {
		return errors.New("die Seite bietet keine Push-Nachrichten an")
	}
	b, err := s.pushes.Subscribe(key)
	if err != nil {
		return err
	}
	s.pushes.browsers[args[0]] = b
	form := url.Values{
		"endpoint": {"https://push.example" + b.Path}, "p256dh": {base64.RawURLEncoding.EncodeToString(b.P256DH())},
		"auth": {base64.RawURLEncoding.EncodeToString(b.Auth)},
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+strings.TrimSuffix(staffHost, ":80")+"/reach/devices", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0")
	if err := s.now.send(req); err != nil {
		return err
	}
	if s.now.status != http.StatusOK {
		return fmt.Errorf("die Anmeldung endet mit %d: %s", s.now.status, s.now.text())
	}
	return nil
}

// pushTo: Push auf Handy "Worte" … | nicht auf Handy | kommt an | übernimmt. The last
// two are about the last one read.
func (s *stage) pushTo(args []string) error {
	if s.pushes == nil {
		return errors.New("den Push-Dienst gibt es noch nicht")
	}
	if f := s.pushes.Faults(); len(f) > 0 {
		return fmt.Errorf("der Push-Dienst hat etwas nicht angenommen: %v", f)
	}
	switch strings.Join(args, " ") {
	case "kommt an":
		return s.workerPosts(s.pushes.last.Receipt)
	case "übernimmt":
		return s.workerPosts(s.pushes.last.Take)
	}
	if s.database == "" {
		synctest.Wait()
		time.Sleep(settle)
		synctest.Wait()
	}
	not := args[0] == "nicht"
	if not {
		args = args[1:]
	}
	b := s.pushes.browsers[args[1]]
	if b == nil {
		return fmt.Errorf("ein Gerät %s gibt es nicht", args[1])
	}
	var told []string
	for i, n := range s.pushes.Notes() {
		var m pushed
		if err := json.Unmarshal(n.Plain, &m); err != nil {
			return err
		}
		told = append(told, m.Title+": "+m.Body)
		missing := n.Path != b.Path || s.pushes.read[i]
		for _, w := range args[2:] {
			missing = missing || !strings.Contains(m.Title+" "+m.Body, w)
		}
		switch {
		case missing:
		case not:
			return fmt.Errorf("doch: %s: %s", m.Title, m.Body)
		default:
			s.pushes.last, s.pushes.read[i] = m, true
			return nil
		}
	}
	if not {
		return nil
	}
	return fmt.Errorf("keine solche Push-Nachricht; es gibt %q", told)
}

// workerPosts does what the service worker does: a POST to its own origin, without
// anybody's session.
func (s *stage) workerPosts(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("die Nachricht hat keine Adresse dafür: %q", path)
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+strings.TrimSuffix(staffHost, ":80")+path, bytes.NewReader(nil))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	c := &http.Client{Transport: &http.Transport{DialContext: s.net.Dial, DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s endet mit %d", path, res.StatusCode)
	}
	return nil
}

package voice

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"tuermer/internal/town/channel"
)

// registered is how long a sign-in lasts when nobody ends it.
const registered = 300 * time.Second

// dialTime bounds finding our own address and opening a connection.
const dialTime = 5 * time.Second

// maxRetryAfter: a trunk must not silence an alarm for a day.
const maxRetryAfter = 15 * time.Minute

// line is a user agent with connections of its own, for one call or one look.
type line struct {
	a      *Adapter
	local  netip.Addr
	ua     *sipgo.UserAgent
	client *sipgo.Client
	server *sipgo.Server
	udp    *net.UDPConn
	served chan struct{} // closed when nobody reads udp any more; nil: nobody does
	me     sip.ContactHeader
	tag    string
	callID string
	seq    uint32 // of the last REGISTER: a registrar takes no older one
}

// line opens what a call needs.
func (a *Adapter) line(ctx context.Context) (*line, error) {
	l := &line{a: a, tag: sip.GenerateTagN(16), callID: strings.ToLower(rand.Text())}
	down := func(err error) (*line, error) {
		l.close()
		return nil, failed(err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var err error
	if l.local, err = a.here(ctx); err != nil {
		return down(err)
	}
	// The library's own lines would name numbers.
	mute := slog.New(slog.DiscardHandler)
	l.ua, err = sipgo.NewUA(
		sipgo.WithUserAgent(a.o.UserAgent), sipgo.WithUserAgentHostname(a.server.Host), sipgo.WithUserAgenTLSConfig(a.trust()), sipgo.WithUserAgentDNSResolver(a.o.Resolver),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(mute), sip.WithTransportLayerDNSLookupSRV(a.server.Port == 0)),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(mute)),
	)
	if err != nil {
		return down(err)
	}
	if l.server, err = sipgo.NewServer(l.ua, sipgo.WithServerLogger(mute)); err != nil {
		return down(err)
	}
	options := []sipgo.ClientOption{sipgo.WithClientLogger(mute), sipgo.WithClientNAT(), sipgo.WithClientHostname(l.local.String())}
	l.me = sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "tuermer", Host: bracket(l.local)}}
	if a.server.Transport == "udp" {
		if l.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.local, 0))); err != nil {
			return down(err)
		}
		at := l.udp.LocalAddr().String()
		l.me.Address.Port = l.udp.LocalAddr().(*net.UDPAddr).Port
		options = append(options, sipgo.WithClientConnectionAddr(at), sipgo.WithClientPort(l.me.Address.Port))
		l.served = make(chan struct{})
		go func() {
			defer close(l.served)
			_ = l.ua.TransportLayer().ServeUDP(l.udp)
		}()
		if err := l.ready(ctx, at); err != nil {
			return down(err)
		}
	} else {
		l.me.Address.UriParams = sip.HeaderParams{{K: "transport", V: a.server.Transport}}
	}
	if l.client, err = sipgo.NewClient(l.ua, options...); err != nil {
		return down(err)
	}
	return l, nil
}

// trust is how the certificate of a trunk is judged: it names the host of the entry,
// wherever service records lead.
func (a *Adapter) trust() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.o.TLSConfig != nil {
		c = a.o.TLSConfig.Clone()
	}
	c.ServerName = cmp.Or(c.ServerName, a.server.Host)
	return c
}

// ready waits until the library knows the connection that it was given: else it would
// open the same port again.
func (l *line) ready(ctx context.Context, at string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if c := l.ua.TransportLayer().Pool("udp").Get(at); c != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// here is the address of this machine on the way to the trunk.
func (a *Adapter) here(ctx context.Context) (netip.Addr, error) {
	host := a.server.Host
	if _, err := netip.ParseAddr(host); err != nil {
		ips, err := a.o.Resolver.LookupNetIP(ctx, "ip", host)
		if err != nil { // a name that only its service records lead on
			_, targets, serr := a.o.Resolver.LookupSRV(ctx, "sip", strings.Replace(a.server.Transport, "tls", "tcp", 1), host)
			if serr != nil || len(targets) == 0 {
				return netip.Addr{}, err
			}
			if ips, err = a.o.Resolver.LookupNetIP(ctx, "ip", targets[0].Target); err != nil {
				return netip.Addr{}, err
			}
		}
		for _, ip := range ips {
			if host = ips[0].String(); ip.Unmap().Is4() {
				host = ip.Unmap().String()
				break
			}
		}
	}
	// No packet is sent: the socket is only asked which address it would use.
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", net.JoinHostPort(host, "5060"))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	at, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, errServer
	}
	return at.AddrPort().Addr().Unmap(), nil
}

func bracket(ip netip.Addr) string {
	if ip.Is6() {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}

func (l *line) close() {
	if l.ua != nil {
		_ = l.ua.Close()
	}
	if l.udp != nil {
		_ = l.udp.Close()
	}
	if l.served != nil {
		<-l.served
	}
}

// uri is an address at the trunk.
func (l *line) uri(user string) sip.Uri {
	s := l.a.server
	u := sip.Uri{Scheme: "sip", User: user, Host: s.Host, Port: s.Port}
	if ip, err := netip.ParseAddr(s.Host); err == nil {
		u.Host = bracket(ip)
	}
	if s.Transport != "udp" {
		u.UriParams = sip.HeaderParams{{K: "transport", V: s.Transport}}
	}
	return u
}

// request is one from us to somebody at the trunk.
func (l *line) request(method sip.RequestMethod, to, target sip.Uri) *sip.Request {
	req := sip.NewRequest(method, target)
	req.SetTransport(strings.ToUpper(l.a.server.Transport))
	who := l.a.o.User
	if who == "" {
		who = l.a.o.From
	}
	if who == "" {
		who = "tuermer"
	}
	from := sip.FromHeader{DisplayName: "Tuermer", Address: sip.Uri{Scheme: "sip", User: who, Host: l.uri("").Host}}
	from.Params.Add("tag", l.tag)
	to.UriParams, to.Port = nil, 0
	id := sip.CallIDHeader(l.callID)
	req.AppendHeader(&from)
	req.AppendHeader(&sip.ToHeader{Address: to})
	req.AppendHeader(&id)
	req.AppendHeader(sip.NewHeader("User-Agent", l.a.o.UserAgent))
	return req
}

func (l *line) secret() string {
	if l.a.o.Secret == nil {
		return ""
	}
	return l.a.o.Secret()
}

// register signs in for a while, and tells for how long the trunk grants it; zero signs
// off. Where that is too short a while for the trunk, it asks for as long as it must.
func (l *line) register(ctx context.Context, lasts time.Duration) (granted time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	res, err := l.signIn(ctx, lasts)
	if err == nil && res.StatusCode == sip.StatusIntervalToBrief && lasts > 0 {
		if least := seconds(headerValue(res, "Min-Expires")); least > lasts {
			lasts = least
			res, err = l.signIn(ctx, lasts)
		}
	}
	if err != nil {
		return 0, failed(err)
	}
	if !res.IsSuccess() {
		return 0, refused(res)
	}
	return min(lasts, l.grantedBy(res, lasts)), nil
}

// signIn is one REGISTER, once more with the password where that is asked for.
func (l *line) signIn(ctx context.Context, lasts time.Duration) (*sip.Response, error) {
	req := l.request(sip.REGISTER, l.uri(l.a.o.User), l.uri(""))
	l.seq++
	req.AppendHeader(&sip.CSeqHeader{SeqNo: l.seq, MethodName: sip.REGISTER})
	me := l.me
	req.AppendHeader(&me)
	expires := sip.ExpiresHeader(uint32(lasts / time.Second))
	req.AppendHeader(&expires)
	res, err := l.client.Do(ctx, req, sipgo.ClientRequestRegisterBuild)
	if err == nil && (res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired) && l.secret() != "" {
		res, err = l.client.DoDigestAuth(ctx, req, res, sipgo.DigestAuth{Username: l.a.o.User, Password: l.secret()})
	}
	if seq := req.CSeq(); seq != nil {
		l.seq = max(l.seq, seq.SeqNo)
	}
	return res, err
}

// grantedBy reads for how long a sign-in lasts: what stands at our own address, then
// what stands for all.
func (l *line) grantedBy(res *sip.Response, asked time.Duration) time.Duration {
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok || c.Address.Host != l.me.Address.Host || c.Address.Port != l.me.Address.Port {
			continue
		}
		if s, ok := c.Params.Get("expires"); ok {
			if d := seconds(s); d > 0 {
				return d
			}
		}
	}
	if d := seconds(headerValue(res, "Expires")); d > 0 {
		return d
	}
	return asked
}

func headerValue(res *sip.Response, name string) string {
	if h := res.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

// options asks for a sign of life: whatever the trunk answers is one.
func (l *line) options(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	req := l.request(sip.OPTIONS, l.uri(""), l.uri(""))
	res, err := l.client.Do(ctx, req)
	if err != nil {
		return failed(err)
	}
	if res.StatusCode == sip.StatusServiceUnavailable {
		return refused(res)
	}
	return nil
}

// failed is that there was no answer.
func failed(err error) *channel.Failure {
	f := &channel.Failure{Reason: "connect", RouteDown: true, Err: unnumbered(err)}
	var named *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(err.Error(), sip.ErrTransactionTimeout.Error()):
		f.Reason = "timeout"
	case errors.As(err, &named):
	case strings.Contains(err.Error(), "TLS handshake"):
		f.Reason = "tls"
	}
	return f
}

// unnumbered is an error without what the library quotes of a message.
func unnumbered(err error) error {
	if s, _, cut := strings.Cut(err.Error(), "sip:"); cut {
		return errors.New(s + "…")
	}
	return err
}

// refused is what a final answer other than yes means.
func refused(res *sip.Response) *channel.Failure {
	f := &channel.Failure{Reason: "rejected", Err: fmt.Errorf("SIP %d", res.StatusCode)}
	switch res.StatusCode {
	case 486, 600:
		f.Permanent, f.Reason = true, "busy"
	case 408, 480, 487:
		f.Permanent, f.Reason = true, "unanswered"
	case 603, 607:
		f.Permanent, f.Reason = true, "declined"
	case 404, 410, 484, 604:
		f.Permanent = true // perhaps only this trunk does not know the number
	case 401, 403, 407:
		f.Reason, f.RouteDown = "auth", true
	case 415, 488, 606:
		f.Reason, f.RouteDown = "protocol", true
	case 429, 503:
		f.Reason, f.RouteDown = "throttled", res.StatusCode == 503
		if h := res.GetHeader("Retry-After"); h != nil {
			f.RetryAfter = seconds(h.Value())
		}
	default:
		f.RouteDown = true
	}
	return f
}

// seconds reads a Retry-After: a number, then perhaps remarks.
func seconds(s string) time.Duration {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		s = s[:end]
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}

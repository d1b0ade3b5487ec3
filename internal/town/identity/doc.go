// Package identity knows who belongs to the town and what they may do.
//
// A [Tenant] is one municipality; a request finds it by host name
// ([Room.TenantByHost]), and the only tenant of an install is the default. A
// [Person] has roles, an official address and an alternative one that must
// share no fate with the town: no domain, mail server, DNS zone or host (I13).
// Whoever can be alarmed is refused without one in the console; tuermer.yaml is
// the operator's word and only brings a [Finding]. What DNS says about an
// alternative address is looked up beside everything else ([Room.Start]), kept
// with the person, and never delays a start or an alarm.
//
// People sign in with a password (argon2id) or with a one-time link, and then
// hold a session; scripts hold an API token. Of all three only hashes are kept.
// A session ends when it is idle, old, or when its person is blocked or changes
// the password. There is no self-registration. [Room.Middleware] puts tenant
// and actor into the context of each request; rights are checked by the rooms.
//
// Whoever has a second factor (an authenticator app, recovery codes) is asked
// for it after password and link alike; until then there is no session, only a
// note that the first factor was right. A town's [SecondPolicy] lets roles rest
// whose person has none. Alarms are never asked for it.
//
// A first start has no people yet: a link that is printed once ([Room.SetupLink])
// leads to five steps, each done when it has proved itself ([Proof]).
//
// A [Seal] is the door that hangs on nothing: a code on paper, good once, told to
// every administrator. A [Provider] is the town's own identity provider, one door
// among the others, which never close for it.
//
// This room stands before audit and vault, so it names what it needs of them
// ([Audit], [Vault]); app plugs them in. It sends nothing itself: mails with
// links go out through [Post].
package identity

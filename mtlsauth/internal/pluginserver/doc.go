// Package pluginserver speaks Kong's plugin protocol ("ProtoBuf:1", Kong 3.x)
// from the plugin's side. It knows nothing of certificates: it starts
// instances of a [Plugin], hands it events, and makes sure that whatever goes
// wrong inside an event ends as that event's answer.
//
// # The wire
//
// A frame is a 32-bit little-endian length and so many bytes. Kong sends an
// RpcCall; for an event the plugin then makes PDK calls, each a frame with the
// method's name and one with its arguments, each answered by one frame. An
// empty frame ends the event and an RpcReturn follows. kong.response.exit is
// never answered: Kong sends the HTTP response and closes the connection.
//
// # Writes
//
// PDK calls are prepared with go-pdk itself ([Record]) and sent as bytes.
// The calls of one [Event.Ask] go out in one write. Those of [Event.Tell], whose reply is
// empty, are not waited for: they leave together with the end of the event and
// their replies are read off before anything that follows counts. So an event
// that asks is two round trips on the socket, whatever it tells.
//
// # Faults
//
// Kong repeats an event without limit and without delay when its connection
// closes in the middle (seen with Kong 3.9.1). So a connection is closed only
// for bytes that cannot be read as a call, for a call that cannot be served (another
// plugin's name, no instance id left), and for an instance that this
// process does not know, which makes Kong start its instances again. A handler that
// panics, that gives no answer or that cannot read a reply is answered with
// [Options].Fault, which exits the request: nothing passes by mistake.
package pluginserver

package pluginserver

// AccessCall opens accessCall to tests.
var AccessCall = accessCall

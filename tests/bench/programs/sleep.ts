/** Sleeps for ever: what a waiting program costs at least. */
setInterval(() => {}, 60_000);

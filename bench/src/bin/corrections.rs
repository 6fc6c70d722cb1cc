//! How soon a correction is seen on every replica: `corrections [NUMBER]`, in the environment of `stack.env`.
//!
//! Each correction is one committed UPDATE of one student's name. From the moment at which the database acknowledges
//! it, every replica is asked for the student until it shows the name. The names are put back at the end.

use std::{
    env,
    error::Error,
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};

type Failure = Box<dyn Error + Send + Sync>;

/// Between two looks at one replica: a looker must not be what keeps the processors busy.
const PAUSE: Duration = Duration::from_micros(500);

/// A correction that takes this long is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom to look at, what to wait for, and since when.
type Wanted = (u32, String, Instant);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let number: u32 = env::args().nth(1).as_deref().unwrap_or("1000").parse()?;
    let mut database = PgConnection::connect(&variable("DATABASE_URL")?).await?;
    let mut lookers = Vec::new();
    for place in 1..=3 {
        let url = variable(&format!("REPLICA_{place}_URL"))?;
        let address = url.strip_prefix("http://").ok_or("a replica's URL starts with http://")?.to_owned();
        let (ask, asked) = mpsc::channel::<Wanted>();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(asked.iter().map(|wanted| look(&address, &wanted)).collect()));
        lookers.push((ask, told));
    }
    let students: Vec<(i32, String)> =
        sqlx::query_as("SELECT id, name FROM students ORDER BY hashint4(id) LIMIT $1")
            .bind(i64::from(number))
            .fetch_all(&mut database)
            .await?;
    for (place, (id, _)) in students.iter().enumerate() {
        let name = format!("Correction {place}");
        correct(&mut database, *id, &name).await?;
        let committed = Instant::now();
        for (ask, _) in &lookers {
            ask.send((id.unsigned_abs(), name.clone(), committed))?;
        }
        // Not in step with the polls of the servers.
        tokio::time::sleep(Duration::from_micros(30_000 + (place as u64 * 7_919) % 20_000)).await;
    }
    for (place, (ask, told)) in lookers.into_iter().enumerate() {
        drop(ask);
        let seen: Vec<Result<Duration, Failure>> = told.recv()?;
        let mut seen = seen.into_iter().collect::<Result<Vec<_>, _>>()?;
        seen.sort();
        let at = |share: usize| seen[(seen.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!(
            "replica {}: {} corrections seen; median {:.1} ms, p99 {:.1} ms, greatest {:.1} ms",
            place + 1,
            seen.len(),
            at(50),
            at(99),
            at(100)
        );
    }
    for (id, name) in &students {
        correct(&mut database, *id, name).await?;
    }
    Ok(())
}

fn variable(name: &str) -> Result<String, Failure> {
    env::var(name).map_err(|_| format!("{name} is not set; run `. var/stack.env` first").into())
}

async fn correct(database: &mut PgConnection, id: i32, name: &str) -> Result<(), sqlx::Error> {
    let update = sqlx::query("UPDATE students SET name = $2 WHERE id = $1");
    update.bind(id).bind(name).execute(database).await.map(drop)
}

/// How long after its commit a correction was seen.
fn look(address: &str, (id, name, committed): &Wanted) -> Result<Duration, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let request = format!("GET /student/{id}.json HTTP/1.1\r\nHost: results\r\n\r\n");
    let wanted = format!("\"name\":\"{name}\"");
    let mut buffer = [0; 8 << 10];
    while committed.elapsed() < PATIENCE {
        stream.write_all(request.as_bytes())?;
        let read = stream.read(&mut buffer)?;
        if String::from_utf8_lossy(&buffer[..read]).contains(&wanted) {
            return Ok(committed.elapsed());
        }
        thread::sleep(PAUSE);
    }
    Err(format!("a correction was not seen within {} s", PATIENCE.as_secs()).into())
}
